"""The services behind every command, button and menu. `bot.bot` builds them once, before the commands are loaded."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
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
from bot.community.challenges.course import Challenges
from bot.community.challenges.poster import ChallengePoster
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
from bot.operations.status import Shards, Sources, Status, look
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


@dataclass(frozen=True, slots=True)
class Services:
    """What commands, buttons and menus may use."""

    config: Config
    clock: Callable[[], float]
    """Unix seconds."""
    engine: Engine
    store: Store
    jobs: JobService
    renderer: MessageRenderer
    buttons: Buttons
    delivery: Delivery
    moderation: Moderation
    job_actions: JobActions
    entry_actions: EntryActions
    deletions: Deletions
    history: HistoryActions
    privacy: Privacy
    deletion_queue: DeletionQueue
    clip_ranker: ClipRanker
    batch_scorer: BatchScorer
    reporting: Reporting
    timelapses: Timelapses
    thumbnails: Thumbnails
    favorites: Favorites
    gallery: Gallery
    indexer: PictureIndexer
    starboard: Starboard
    embedder: PictureEmbedder
    finder: Finder
    message_check: MessageCheck
    attachments: AttachmentReader
    held_pictures: HeldPictures
    picture_requests: PictureRequests
    access: ResultAccess
    families: Families
    picture_words: PictureWords
    handlers: Handlers
    gate: Gate
    votes: Votes
    rounds: Rounds
    insights: Insights
    styles: Styles
    challenges: Challenges
    defaults: Defaults
    experiments: Experiments
    films: Films
    look: Callable[[], Awaitable[Status]]
    """Reads the state of the whole bot, for `/engine`, /metrics and /health."""


class BotClient(commands.AutoShardedBot):
    """A Discord client that carries the services. `services` exists from `setup_hook` on."""

    services: Services

    def shard_of(self, guild_id: int | None) -> int:
        """The shard that receives the events of a server; direct messages (None) go to shard 0."""
        return (guild_id >> 22) % (self.shard_count or 1) if guild_id else 0


class BotCog(commands.Cog):
    """Base of the cogs that use the services."""

    def __init__(self, bot: BotClient) -> None:
        self.bot = bot
        self.services = bot.services


def build_services(
    client: discord.Client,
    config: Config,
    store: Store,
    engine: Engine,
    metrics: Metrics,
    buttons: Buttons,
    connected: Callable[[], bool],
    shards: Callable[[], Shards],
    clock: Callable[[], float],
) -> Services:
    """Connect the services to one another; starts nothing."""
    jobs = JobService(config, store, engine, clock=clock, ticks=time.monotonic)
    clip_ranker = ClipRanker(engine)
    batch_scorer = BatchScorer(clip_ranker, store)
    renderer = MessageRenderer(
        store,
        buttons.job,
        clock,
        wary=config.safety.enabled,
        graded=batch_scorer.graded,
    )
    rounds = Rounds(store, clock)
    styles = Styles(store, clock)
    defaults = Defaults(store, styles, config.limits)
    access = ResultAccess(store)
    timelapses = Timelapses(store, partial(has_room, config.folder, config.retention.free_megabytes))
    jobs.registry.subscribe(batch_scorer.hear, JobState.RUNNING, JobState.DONE)
    indexer = PictureIndexer(store, partial(is_restricted_id, client))
    visibility = Visibility(client, store)
    message_check = MessageCheck(client, jobs.takedowns)
    embedder = PictureEmbedder(store, engine, indexer, config.search.perceptor, jobs.registry.queued)
    delivery = Delivery(client, config, jobs, store, renderer, clock, metrics.sent)
    jobs.registry.subscribe(metrics.hear)
    jobs.registry.subscribe(timelapses.hear)
    attachments = AttachmentReader(pixels=2 * config.limits.max_size**2)
    moderation = Moderation(store, jobs, clock, config.discord.owner_ids)
    sources = _sources(config, store, engine, metrics, jobs, connected, shards)
    deletion_queue = DeletionQueue(client, store)
    starboard = Starboard(client, store, delivery, indexer, jobs.takedowns, buttons.star, deletion_queue.wake, clock)
    winner_pings = WinnerPings(client, store, clock)
    covered_sheets = CoveredSheets(client, store, renderer, clock)
    votes = Votes(client, store, jobs, buttons.ballot, deletion_queue.wake, rounds.wake, winner_pings, clock)
    poster = ChallengePoster(
        client, store, buttons.challenge, buttons.challenge_result, deletion_queue.wake, winner_pings, clock
    )
    job_actions = JobActions(client, config, store, jobs, delivery, renderer, buttons.question)
    challenges = Challenges(client, store, jobs, votes, poster, rounds.wake, clock)
    _fill_rounds(rounds, votes, covered_sheets, challenges, starboard, embedder)
    jobs.registry.subscribe(rounds.wake, JobState.DONE)
    return Services(
        config=config,
        clock=clock,
        engine=engine,
        store=store,
        jobs=jobs,
        renderer=renderer,
        buttons=buttons,
        delivery=delivery,
        moderation=moderation,
        job_actions=job_actions,
        entry_actions=EntryActions(client, store, jobs, delivery, job_actions),
        deletions=Deletions(client, store, jobs, delivery, moderation),
        history=HistoryActions(store, config.retention, clock),
        privacy=Privacy(store, jobs, delivery, clock, embedder.purge),
        deletion_queue=deletion_queue,
        clip_ranker=clip_ranker,
        batch_scorer=batch_scorer,
        reporting=Reporting(client, store, jobs, moderation, delivery, renderer, buttons.report),
        timelapses=timelapses,
        attachments=attachments,
        held_pictures=HeldPictures(store, attachments, clock),
        thumbnails=Thumbnails(),
        favorites=Favorites(store, config.retention, clock, rounds.wake),
        starboard=starboard,
        gallery=Gallery(store, indexer, visibility, message_check),
        embedder=embedder,
        finder=Finder(store, indexer, embedder, visibility, message_check, clock),
        message_check=message_check,
        indexer=indexer,
        handlers=Handlers(),
        gate=Gate(store, config.queue.costly_seconds, config.discord.owner_ids, clock),
        votes=votes,
        rounds=rounds,
        insights=Insights(store, visibility),
        styles=styles,
        challenges=challenges,
        defaults=defaults,
        experiments=Experiments(defaults, styles),
        films=Films(defaults),
        picture_requests=PictureRequests(defaults),
        access=access,
        families=Families(store, access),
        picture_words=PictureWords(store, engine),
        look=partial(look, sources),
    )


def _fill_rounds(
    rounds: Rounds,
    votes: Votes,
    covered_sheets: CoveredSheets,
    challenges: Challenges,
    starboard: Starboard,
    embedder: PictureEmbedder,
) -> None:
    rounds.add("votes", votes.work, CHECK_SECONDS)
    rounds.add("sheets of votes", covered_sheets.work)
    rounds.add("challenges", challenges.work)
    rounds.add("starboard", starboard.work, CHECK_SECONDS)
    rounds.add("search index", partial(embedder.index, rounds.wake))
    if embedder.enabled:
        rounds.add("vectors", embedder.embed)


def _sources(
    config: Config,
    store: Store,
    engine: Engine,
    metrics: Metrics,
    jobs: JobService,
    connected: Callable[[], bool],
    shards: Callable[[], Shards],
) -> Sources:
    return Sources(
        store=store,
        engine=engine,
        metrics=metrics,
        ready=lambda: jobs.ready,
        connected=connected,
        shards=shards,
        waiting=lambda: len(jobs.registry.waiting()),
        running=lambda: len(jobs.registry.running()),
        free_megabytes=config.retention.free_megabytes,
    )
