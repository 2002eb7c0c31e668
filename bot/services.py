"""The services behind every command, button and menu. `bot.bot` builds them once, before the commands are loaded."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import discord
from discord.ext import commands

from bot.actions.create import JobActions
from bot.actions.delete import Deletions
from bot.actions.enter import EntryActions
from bot.actions.history import HistoryActions
from bot.actions.moderate import Moderation
from bot.actions.privacy import Privacy
from bot.actions.report import Reporting
from bot.community.challenges.poster import ChallengePoster
from bot.community.challenges.service import Challenges
from bot.community.covered_sheets import CoveredSheets
from bot.community.defaults import Defaults
from bot.community.experiments import Experiments
from bot.community.films import Films
from bot.community.gallery.embedder import PictureEmbedder, PictureIndexer
from bot.community.gallery.favorites import Favorites
from bot.community.gallery.finder import Finder
from bot.community.gallery.message_check import MessageCheck
from bot.community.gallery.pages import Gallery
from bot.community.gallery.starboard import Starboard
from bot.community.gallery.visibility import Visibility
from bot.community.held_pictures import HeldPictures
from bot.community.insights import Insights
from bot.community.lineage.access import ResultAccess
from bot.community.lineage.family import Families
from bot.community.picture_requests import PictureRequests
from bot.community.rounds import CHECK_SECONDS, Rounds
from bot.community.styles.library import Styles
from bot.community.votes import Votes
from bot.community.winner_pings import WinnerPings
from bot.community.words.actions import PictureWords
from bot.config.settings import Config
from bot.delivery.deletion_queue import DeletionQueue
from bot.delivery.renderer import MessageRenderer
from bot.delivery.service import Delivery
from bot.interactions.context import is_restricted_id
from bot.interactions.handlers import Gate, Handlers
from bot.interactions.message_api import EphemeralPayload
from bot.jobs.service import JobService
from bot.models.job import JobRow, JobState
from bot.models.vote import Blindness, Vote
from bot.operations.metrics import Metrics
from bot.operations.status import Status
from bot.pictures.attachments import AttachmentReader
from bot.pictures.ranking import BatchScorer, ClipRanker
from bot.pictures.thumbnails import Thumbnails
from bot.pictures.timelapse import Timelapses
from bot.policy.limits import has_room
from bot.storage import Store
from engine.client.local import Engine


@dataclass(frozen=True, slots=True)
class Buttons:
    """Functions from `bot.views` that the layers below need to attach buttons to their messages."""

    job: Callable[[JobRow, bool, bool, Blindness], discord.ui.View]
    """Takes a job, whether its server accepts reports, whether a challenge takes entries, what the message hides."""
    private: Callable[[JobRow, bool, Collection[int]], discord.ui.View]
    """Takes a job, whether the reader owns it, and which of its pictures the reader has starred."""
    report: Callable[[str], discord.ui.View]
    """Takes a job id."""
    question: Callable[[str, str], EphemeralPayload]
    """Takes a question id and the text of the question."""
    star: Callable[[str, int], discord.ui.View]
    """Takes a job id and the index of the picture that a starboard entry shows."""
    ballot: Callable[[Vote], discord.ui.View]
    """Takes an open vote."""
    challenge: Callable[[str], discord.ui.View]
    """Takes the id of an open challenge."""
    challenge_result: Callable[[str], discord.ui.View]
    """Takes the id of a challenge that has ended."""


class BotClient(commands.AutoShardedBot):
    """A Discord client that carries the services. `store` and `services` exist from `setup_hook` on."""

    config: Config
    clock: Callable[[], float]
    """Unix seconds."""
    engine: Engine
    metrics: Metrics
    store: Store
    services: Services

    def shard_of(self, guild_id: int | None) -> int:
        """The shard that receives the events of a server; direct messages (None) go to shard 0."""
        return (guild_id >> 22) % (self.shard_count or 1) if guild_id else 0

    @abstractmethod
    async def look(self) -> Status:
        """The state of the whole bot now, for `/engine`, /metrics and /health."""


class BotCog(commands.Cog):
    """Base of all cogs. `bot.bot` adds each one that it finds in a module of `bot.cogs`."""

    def __init__(self, bot: BotClient) -> None:
        self.bot = bot
        self.services = bot.services


class Services:
    """What commands, buttons and menus may use. Connects the services to one another; starts nothing."""

    def __init__(self, client: BotClient, buttons: Buttons) -> None:
        config, store, engine, clock = client.config, client.store, client.engine, client.clock
        self.config = config
        self.store = store
        self.engine = engine
        self.clock = clock
        self.buttons = buttons
        self.handlers = Handlers()
        self.gate = Gate(store, config.queue.costly_seconds, config.discord.owner_ids, clock)
        self.rounds = Rounds(store, clock)
        self.deletion_queue = DeletionQueue(client, store)
        self.attachments = AttachmentReader(pixels=2 * config.limits.max_size**2)
        self.thumbnails = Thumbnails()
        self.timelapses = Timelapses(store, partial(has_room, config.folder, config.retention.free_megabytes))
        self.clip_ranker = ClipRanker(engine)
        self.batch_scorer = BatchScorer(self.clip_ranker, store)
        self.renderer = MessageRenderer(
            store, buttons.job, clock, wary=config.safety.enabled, graded=self.batch_scorer.graded
        )
        self.jobs = JobService(config, store, engine, clock=clock, ticks=time.monotonic)
        registry = self.jobs.registry
        registry.subscribe(self.batch_scorer.hear, JobState.RUNNING, JobState.DONE)
        self.delivery = Delivery(client, config, self.jobs, store, self.renderer, clock, client.metrics.sent)
        registry.subscribe(client.metrics.hear)
        registry.subscribe(self.timelapses.hear, JobState.DONE)
        self._add_community(client)
        self._add_gallery(client)
        self._add_actions(client)

    def _add_community(self, client: BotClient) -> None:
        store, jobs, rounds, clock = self.store, self.jobs, self.rounds, self.clock
        shown, erase = self.buttons, self.deletion_queue.wake
        self.styles = Styles(store, clock)
        self.defaults = Defaults(store, self.styles, self.config.limits, jobs.unavailable)
        self.experiments = Experiments(self.defaults, self.styles)
        self.films = Films(self.defaults)
        self.picture_requests = PictureRequests(self.defaults)
        self.held_pictures = HeldPictures(store, self.attachments, clock)
        self.picture_words = PictureWords(store, self.engine)
        self.access = ResultAccess(store)
        self.families = Families(store, self.access)
        pings = WinnerPings(client, store, clock)
        self.votes = Votes(client, store, jobs, shown.ballot, erase, rounds.wake, pings, clock)
        poster = ChallengePoster(client, store, shown.challenge, shown.challenge_result, erase, pings, clock)
        self.challenges = Challenges(client, store, jobs, self.votes, poster, rounds.wake, clock)
        rounds.add("votes", self.votes.work, CHECK_SECONDS)
        rounds.add("sheets of votes", CoveredSheets(client, store, self.renderer, clock).work)
        rounds.add("challenges", self.challenges.work)

    def _add_gallery(self, client: BotClient) -> None:
        store, jobs, rounds, clock = self.store, self.jobs, self.rounds, self.clock
        self.message_check = MessageCheck(client, jobs.takedowns)
        visibility = Visibility(client, store)
        self.indexer = PictureIndexer(store, partial(is_restricted_id, client))
        self.embedder = PictureEmbedder(
            store, self.engine, self.indexer, self.config.search.perceptor, jobs.registry.queued
        )
        self.finder = Finder(store, self.indexer, self.embedder, visibility, self.message_check, clock)
        self.gallery = Gallery(store, self.indexer, visibility, self.message_check)
        self.insights = Insights(store, visibility)
        self.favorites = Favorites(store, self.config.retention, clock, rounds.wake)
        star, erase = self.buttons.star, self.deletion_queue.wake
        self.starboard = Starboard(client, store, self.delivery, self.indexer, jobs.takedowns, star, erase, clock)
        rounds.add("starboard", self.starboard.work, CHECK_SECONDS)
        rounds.add("search index", partial(self.embedder.index, rounds.wake))
        if self.embedder.enabled:
            rounds.add("vectors", self.embedder.embed)

    def _add_actions(self, client: BotClient) -> None:
        config, store, jobs, delivery, renderer = self.config, self.store, self.jobs, self.delivery, self.renderer
        question, report = self.buttons.question, self.buttons.report
        self.moderation = Moderation(store, jobs, self.clock, config.discord.owner_ids)
        self.reporting = Reporting(client, store, jobs, self.moderation, delivery, renderer, report)
        self.job_actions = JobActions(client, config, store, jobs, delivery, renderer, question)
        self.entry_actions = EntryActions(client, store, jobs, delivery, self.job_actions)
        self.deletions = Deletions(client, store, jobs, delivery)
        self.history = HistoryActions(store, config.retention)
        self.privacy = Privacy(store, jobs, delivery, self.clock, self.embedder.purge)
