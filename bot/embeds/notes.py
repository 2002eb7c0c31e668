"""Notes in a job's message: what the engine said about its pictures, and words that its model does not read."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bot.models.comparison import Comparison
from bot.models.film import FilmRequest
from bot.models.job import JobRequest, JobRow, JobState, PictureRow
from bot.policy.word_filter import added_texts
from bot.text import plain, shorten
from engine.catalogue.models import MODELS
from engine.primer.closest import unknown_sentence
from engine.primer.vocabulary import unknown_words
from engine.requests.request import DreamRequest

NOTE = 300
"""Most characters of one note."""


def all_notes(job: JobRow) -> list[str]:
    """A note about unknown words of the prompt, then those of the engine about the pictures.

    The engine's own note about unknown words also names those of negative prompts that its author did not write.
    """
    said = dict.fromkeys(note for picture in job.pictures for note in _notes(picture))
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        return list(said)
    engines = [plain(shorten(note, NOTE)) for note in words_notes(job.request)]
    return [*words_notes(job.request, added_texts(job.origin.applied)), *(note for note in said if note not in engines)]


def words_notes(request: JobRequest, added: Collection[str] = ()) -> list[str]:
    """Return one line about the words that a model of few words does not read, or none.

    *added*: texts of negative prompts, in lower case, whose words are not named.
    """
    if isinstance(request, Comparison):
        return list(dict.fromkeys(note for way in request.ways for note in words_notes(way.request, added)))
    if isinstance(request, FilmRequest):
        return words_notes(request.first.model_copy(update={"prompts": request.texts}), added)
    if not isinstance(request, DreamRequest) or not MODELS[request.model].limited_words:
        return []
    written = [one for one in request.prompts if one.weight > 0 or one.text.casefold() not in added]
    strange = dict.fromkeys(word for prompt in written for word in unknown_words(prompt.text))
    return [unknown_sentence(tuple(strange))] if strange else []


def _notes(picture: PictureRow) -> Iterable[str]:
    notes = picture.facts.get("notes")
    return [plain(shorten(str(note), NOTE)) for note in notes] if isinstance(notes, list | tuple) else []
