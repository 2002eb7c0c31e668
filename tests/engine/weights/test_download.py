from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.catalogue.registry import Entry, Kind
from engine.errors import ModelUnavailable, WeightsError
from engine.weights.store import http
from engine.weights.store.download import Download, DownloadLimits, PartialFile
from engine.weights.store.folder import Folder
from tests.engine.weights.server import Shelf, serving

CONTENT = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HASTY = DownloadLimits(stall=0.5, tries=2, pause=0.01, slowest=1000, window=0.2)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "weights")


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with serving(Shelf(CONTENT)) as shelf:
        yield shelf


def entry(*sources: str, sha256: str = SHA256, size: int = len(CONTENT), **fields: object) -> Entry:
    return Entry("net", Kind.DIFFUSION, "a net", "net.pt", "free", sources, sha256, size, **fields)  # type: ignore[arg-type]


def start_part(folder: Folder, url: str, content: bytes, validator: str = '"one"') -> None:
    """As an earlier download left it."""
    with PartialFile(folder.part(entry())) as part:
        part.restart(url, validator)
        part.append(content)


def left(folder: Folder) -> list[str]:
    return sorted(str(path.relative_to(folder.root)) for path in folder.root.rglob("*") if path.is_file())


def test_a_file_gets_its_name_when_its_hash_is_right(folder: Folder, shelf: Shelf) -> None:
    reports: list[tuple[int, int | None]] = []
    pin = Download(folder, lambda done, total: reports.append((done, total)), HASTY).fetch(entry(shelf.address + "/f"))
    assert (SHA256, len(CONTENT)) == (pin.sha256, pin.size)
    assert CONTENT == folder.file(entry()).read_bytes()
    assert ["net.pt"] == left(folder)
    assert (len(CONTENT), len(CONTENT)) == reports[-1]


def test_an_interrupted_download_resumes_where_it_ended(folder: Folder, shelf: Shelf) -> None:
    shelf.break_after = [100_000, 50_000]
    Download(folder, limits=HASTY).fetch(entry(shelf.address + "/f"))
    assert ["", "bytes=100000-", "bytes=150000-"] == [wanted for _, wanted in shelf.requests]
    assert CONTENT == folder.file(entry()).read_bytes()


def test_the_next_run_resumes_too(folder: Folder, shelf: Shelf) -> None:
    url = shelf.address + "/f"
    start_part(folder, url, CONTENT[:7])
    Download(folder, limits=HASTY).fetch(entry(url))
    assert [("/f", "bytes=7-")] == shelf.requests
    assert CONTENT == folder.file(entry()).read_bytes()


def test_a_part_that_lacks_only_its_name_is_not_asked_for_again(folder: Folder, shelf: Shelf) -> None:
    url = shelf.address + "/f"
    start_part(folder, url, CONTENT)
    Download(folder, limits=HASTY).fetch(entry(url))
    assert [("/f", f"bytes={len(CONTENT)}-")] == shelf.requests
    assert CONTENT == folder.file(entry()).read_bytes()


def test_another_version_on_the_server_is_downloaded_whole(folder: Folder, shelf: Shelf) -> None:
    url = shelf.address + "/f"
    start_part(folder, url, b"of another version", '"zero"')
    Download(folder, limits=HASTY).fetch(entry(url, sha256=""), trust=True)
    assert CONTENT == folder.file(entry()).read_bytes()


@pytest.mark.parametrize("here", [17, len(CONTENT)])
def test_a_part_of_another_version_is_not_appended(folder: Folder, shelf: Shelf, here: int) -> None:
    shelf.careless = True
    start_part(folder, shelf.address + "/f", bytes(here), '"zero"')

    pin = Download(folder, limits=HASTY).fetch(entry(shelf.address + "/f", sha256=""), trust=True)

    assert (SHA256, CONTENT) == (pin.sha256, folder.file(entry()).read_bytes())
    assert [f"bytes={here}-", ""] == [wanted for _, wanted in shelf.requests]


@pytest.mark.parametrize("length", ["9" * 5000, "²", "-1", "0x10", "1e3"])
def test_a_length_that_is_no_number_is_like_none(folder: Folder, shelf: Shelf, length: str) -> None:
    shelf.length = length
    with pytest.raises(WeightsError, match=r"does not say how long the file is|could not be downloaded"):
        Download(folder, limits=HASTY).fetch(entry(shelf.address + "/f", sha256=""), trust=True)


def test_a_server_cannot_write_to_the_terminal(folder: Folder, shelf: Shelf) -> None:
    shelf.statuses, shelf.reason = [404], "\x1b[2J\x1b]0;title\x07Gone\x9b"
    with pytest.raises(WeightsError, match=r"it answers 404 �\[2J�\]0;title�Gone�") as caught:
        Download(folder, limits=HASTY).fetch(entry(shelf.address + "/f"))
    assert str(caught.value).isprintable()


def test_a_server_that_ignores_ranges_sends_it_all_again(folder: Folder, shelf: Shelf) -> None:
    shelf.ranges, shelf.break_after = False, [100_000]
    Download(folder, limits=HASTY).fetch(entry(shelf.address + "/f"))
    assert CONTENT == folder.file(entry()).read_bytes()


def test_another_source_continues_the_bytes_of_the_first(folder: Folder, shelf: Shelf) -> None:
    with serving(Shelf(CONTENT, break_after=[200_000, 0, 0, 0])) as dying:
        Download(folder, limits=HASTY).fetch(entry(dying.address + "/f", shelf.address + "/f"))
    assert [("/f", "bytes=200000-")] == shelf.requests
    assert CONTENT == folder.file(entry()).read_bytes()


def test_bytes_that_do_not_fit_the_rest_are_asked_for_again(folder: Folder, shelf: Shelf) -> None:
    start_part(folder, "http://elsewhere.invalid/f", bytes(1000))
    Download(folder, limits=HASTY).fetch(entry(shelf.address + "/f"))
    assert ["bytes=1000-", ""] == [wanted for _, wanted in shelf.requests]
    assert CONTENT == folder.file(entry()).read_bytes()


def test_a_wrong_file_is_quarantined_and_the_next_source_asked(folder: Folder, shelf: Shelf) -> None:
    with serving(Shelf(b"<html>not found</html>")) as wrong:
        Download(folder, limits=HASTY).fetch(entry(wrong.address + "/f", shelf.address + "/f"))
    kept = f"quarantine/net.pt-{hashlib.sha256(b'<html>not found</html>').hexdigest()[:12]}"
    assert ["net.pt", kept] == left(folder)
    assert CONTENT == folder.file(entry()).read_bytes()


def test_a_wrong_file_never_gets_the_name(folder: Folder) -> None:
    with (
        serving(Shelf(b"evil")) as wrong,
        pytest.raises(WeightsError, match=f"SHA-256 [0-9a-f]{{64}} instead of {SHA256}"),
    ):
        Download(folder, limits=HASTY).fetch(entry(wrong.address + "/f"))
    assert not folder.file(entry()).exists()
    assert not folder.part(entry()).exists()


@pytest.mark.parametrize(
    ("status", "times", "words"), [(404, 1, "it answers 404 Not Found"), (503, 2, "it answers 503 .*2 times in a row")]
)
def test_every_source_that_failed_is_named_with_its_reason(
    folder: Folder, shelf: Shelf, status: int, times: int, words: str
) -> None:
    shelf.statuses = [status] * times
    with pytest.raises(
        WeightsError, match=rf"“net” could not be downloaded. 127.0.0.1: {words}; .*not an http or https"
    ):
        Download(folder, limits=HASTY).fetch(entry(shelf.address + "/f", "file:///etc/passwd"))
    assert times == len(shelf.requests)


def test_a_source_that_is_down_is_left_for_the_next(folder: Folder, shelf: Shelf) -> None:
    with serving(Shelf(b"")) as gone:
        pass
    Download(folder, limits=HASTY).fetch(entry(gone.address + "/f", shelf.address + "/f"))
    assert CONTENT == folder.file(entry()).read_bytes()


def test_a_file_larger_than_expected_is_not_even_begun(folder: Folder, shelf: Shelf) -> None:
    with pytest.raises(WeightsError, match="its file has 300,000 bytes, and 1,000 is the most that is expected"):
        Download(folder, limits=HASTY).fetch(entry(shelf.address + "/f", size=1000, exact=True))
    assert 0 == folder.part(entry()).stat().st_size


def test_a_server_that_hides_the_length_is_cut_off_at_the_limit(folder: Folder, shelf: Shelf) -> None:
    shelf.framed = False
    with pytest.raises(WeightsError, match="it sends more than the 150,000 bytes"):
        Download(folder, limits=HASTY).fetch(entry(shelf.address + "/f", size=100_000))
    assert folder.part(entry()).stat().st_size <= 150_000


def test_without_a_hash_a_length_is_needed(folder: Folder, shelf: Shelf) -> None:
    shelf.framed = False
    with pytest.raises(WeightsError, match="does not say how long the file is"):
        Download(folder, limits=HASTY).fetch(entry(shelf.address + "/f", sha256=""), trust=True)


@pytest.mark.parametrize(("pause", "words"), [(0.01, "it is too slow"), (2.0, "it stopped sending, 2 times in a row")])
def test_a_trickle_and_a_silence_are_given_up(folder: Folder, shelf: Shelf, pause: float, words: str) -> None:
    shelf.content, shelf.pause = CONTENT[:2000], pause
    shelf.etag = ""
    with pytest.raises(WeightsError, match=words):
        Download(folder, limits=DownloadLimits(0.3, 2, 0.01, 1000, 0.2)).fetch(
            entry(shelf.address + "/f", sha256="0" * 64)
        )


def test_redirects_are_followed_but_not_for_ever_and_not_to_files(folder: Folder, shelf: Shelf) -> None:
    shelf.redirects = {"/a": "/f", "/loop": "/loop", "/file": "file:///etc/passwd"}
    with pytest.raises(WeightsError, match=r"127.0.0.1: too many redirects.*; 127.0.0.1: .*away from HTTP"):
        Download(folder, limits=HASTY).fetch(entry(shelf.address + "/loop", shelf.address + "/file"))
    assert 6 >= [path for path, _ in shelf.requests].count("/loop")
    Download(folder, limits=HASTY).fetch(entry(shelf.address + "/a"))
    assert CONTENT == folder.file(entry()).read_bytes()


@pytest.mark.parametrize("target", ["127.0.0.1", "rebound.test"])
def test_a_public_source_does_not_redirect_to_an_inner_address(
    folder: Folder, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """By its name, or by a name that resolves to a public address first and to an inner one when it is used."""
    resolve, judge = socket.getaddrinfo, http.is_inner_host
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more, **named: resolve("127.0.0.1" if ".test" in host else host, *more, **named),
    )
    monkeypatch.setattr(http, "is_inner_host", lambda netloc: ".test" not in netloc and judge(netloc))
    shelf.redirects = {"/a": shelf.address.replace("127.0.0.1", target) + "/f"}

    with pytest.raises(WeightsError, match=f"redirects to an address of this network .{target}."):
        Download(folder, limits=HASTY).fetch(entry(shelf.address.replace("127.0.0.1", "public.test") + "/a"))

    assert ["/a"] == [path for path, _ in shelf.requests]


@pytest.mark.parametrize(
    ("address", "inner"),
    [
        ("127.0.0.1", True), ("10.1.2.3", True), ("169.254.169.254", True), ("192.168.0.1", True), ("0.0.0.0", True),
        ("::1", True), ("fe80::1%eth0", True), ("fd00::1", True), ("::ffff:127.0.0.1", True),
        ("8.8.8.8", False), ("2606:4700::1111", False), ("::ffff:8.8.8.8", False),
    ],
)  # fmt: skip
def test_inner_addresses_are_recognised(address: str, inner: bool) -> None:
    assert inner == http.is_inner(address)


def test_a_file_without_a_published_hash_needs_trust_and_is_pinned(folder: Folder, shelf: Shelf) -> None:
    unknown = entry(shelf.address + "/f", sha256="")
    with pytest.raises(WeightsError, match=r"No hash is published for “net”.*download --trust net"):
        Download(folder, limits=HASTY).fetch(unknown)
    Download(folder, limits=HASTY).fetch(unknown, trust=True)
    assert SHA256 == json.loads((folder.root / "pins.json").read_text())["files"]["net"]["sha256"]

    folder.file(unknown).unlink()
    shelf.content = b"something else"
    with pytest.raises(WeightsError, match=f"instead of {SHA256}"):
        Download(folder, limits=HASTY).fetch(unknown, trust=True)


def test_a_full_disk_is_noticed_before_it_is_full(
    folder: Folder, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.weights.store.download.SPARE", 1 << 60)
    with pytest.raises(WeightsError, match=r"needs 0.00 GB; the disk of .* has \d+\.\d\d GB left"):
        Download(folder, limits=HASTY).fetch(entry(shelf.address + "/f"))
    assert 0 == folder.part(entry()).stat().st_size


def test_two_processes_do_not_write_into_one_part(folder: Folder, shelf: Shelf) -> None:
    with PartialFile(folder.part(entry())), pytest.raises(WeightsError, match="is being downloaded by another process"):
        Download(folder, limits=HASTY).fetch(entry(shelf.address + "/f"))


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_network_folder_without_locks_is_written_to(
    folder: Folder, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", unsupported)

    for _ in range(2):  # the second time after a stop in the middle
        start_part(folder, shelf.address + "/f", CONTENT[:7])
        Download(folder, limits=HASTY).fetch(entry(shelf.address + "/f"))

    assert CONTENT == folder.file(entry()).read_bytes()


def test_of_two_downloads_of_one_file_the_second_finds_it_whole(folder: Folder, shelf: Shelf) -> None:
    """The second one waits at the lock with nothing open, so it cannot truncate what the first one has finished."""
    with PartialFile(folder.part(entry())) as first:
        first.append(CONTENT)
        with pytest.raises(WeightsError, match="by another process"), PartialFile(folder.part(entry())):
            pass
        first.become(folder.file(entry()))
    with PartialFile(folder.part(entry())) as second:
        second.restart("http://x", "")
    assert CONTENT == folder.file(entry()).read_bytes()


def test_without_any_address_a_person_is_told_what_to_do(folder: Folder) -> None:
    with pytest.raises(
        WeightsError, match=r"No address is known for “net”: look at https://x.invalid/; then put its file"
    ):
        Download(folder).fetch(entry(page="https://x.invalid/"))


def test_what_lies_there_is_loaded_only_with_the_right_hash(folder: Folder) -> None:
    folder.root.mkdir()
    folder.file(entry()).write_bytes(CONTENT)
    with folder.open(entry()) as opened:
        assert CONTENT == opened.file.read()
    with (
        pytest.raises(WeightsError, match=f"its SHA-256 is {SHA256}, and {'0' * 64} was expected"),
        folder.open(entry(sha256="0" * 64)),
    ):
        pass


def test_what_is_not_there_says_how_to_get_it(folder: Folder) -> None:
    with (
        pytest.raises(ModelUnavailable, match="“net” are not downloaded; run python -m engine weights download net"),
        folder.open(entry()),
    ):
        pass


def test_a_file_that_is_written_to_while_it_is_read_is_refused(folder: Folder) -> None:
    folder.root.mkdir()
    folder.file(entry()).write_bytes(CONTENT)
    with folder.open(entry()) as opened:
        opened.check_unchanged()
        os.utime(folder.file(entry()), ns=(1, 1))
        with pytest.raises(WeightsError, match="was written to while it was being read"):
            opened.check_unchanged()


def test_a_swapped_file_is_not_the_one_that_is_read(folder: Folder, tmp_path: Path) -> None:
    folder.root.mkdir()
    folder.file(entry()).write_bytes(CONTENT)
    evil = tmp_path / "evil"
    evil.write_bytes(b"evil")
    with folder.open(entry()) as opened:
        evil.replace(folder.file(entry()))
        assert CONTENT == opened.file.read()
