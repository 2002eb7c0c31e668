"""Error responses with Discord's codes (docs: topics/opcodes-and-status-codes.mdx, "JSON Error Codes")."""

from dataclasses import dataclass, field

from bot.playground.server.world.json_types import Json


@dataclass
class ApiError(Exception):
    """An error response: HTTP *status*, Discord's *code* and *message*, and *errors* by field."""

    status: int
    code: int
    message: str
    errors: Json = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    extra: Json = field(default_factory=dict)

    def body(self) -> Json:
        body: Json = {"message": self.message, "code": self.code, **self.extra}
        return {**body, "errors": self.errors} if self.errors else body

    def __str__(self) -> str:
        return f"{self.status} {self.code} {self.message}"


def unknown(what: str) -> ApiError:
    """404 for an unknown object; *what* is a key of _UNKNOWN."""
    return ApiError(404, _UNKNOWN[what], f"Unknown {what}")


_UNKNOWN = {
    "Application": 10002,
    "Channel": 10003,
    "Guild": 10004,
    "Member": 10007,
    "Message": 10008,
    "Role": 10011,
    "User": 10013,
    "Emoji": 10014,
    "Webhook": 10015,
    "Entitlement": 10029,
    "interaction": 10062,
    "application command": 10063,
}


def unauthorized() -> ApiError:
    return ApiError(401, 0, "401: Unauthorized")


def missing_access() -> ApiError:
    return ApiError(403, 50001, "Missing Access")


def missing_permissions() -> ApiError:
    return ApiError(403, 50013, "Missing Permissions")


def not_the_author() -> ApiError:
    return ApiError(403, 50005, "Cannot edit a message authored by another user")


def cannot_message_user() -> ApiError:
    return ApiError(403, 50007, "Cannot send messages to this user")


def thread_archived() -> ApiError:
    return ApiError(400, 50083, "Thread is archived")


def thread_locked() -> ApiError:
    return ApiError(400, 160005, "Thread is locked")


def empty_message() -> ApiError:
    return ApiError(400, 50006, "Cannot send an empty message")


def expired_token() -> ApiError:
    return ApiError(401, 50027, "Invalid Webhook Token")


def too_large() -> ApiError:
    return ApiError(413, 40005, "Request entity too large")


def already_acknowledged() -> ApiError:
    return ApiError(400, 40060, "Interaction has already been acknowledged.")


def too_many_old_edits(retry_after: float) -> ApiError:
    return ApiError(
        429,
        30046,
        "Maximum number of edits to messages older than 1 hour reached. Try again later.",
        headers={"Retry-After": f"{max(1, round(retry_after))}"},
        extra={"retry_after": retry_after, "global": False},
    )


def malformed(detail: str) -> ApiError:
    return ApiError(400, 50109, f"The request body contains invalid JSON. {detail}".strip())


class FormErrors:
    """Collects the errors in a body; `check` raises 50035 with them (docs: reference.mdx, "Error Messages")."""

    def __init__(self) -> None:
        self._tree: Json = {}

    def add(self, path: str, code: str, message: str) -> None:
        """Add an error at a dotted *path* such as "embeds.0.title"."""
        node = self._tree
        for part in path.split(".") if path else []:
            node = node.setdefault(part, {})
        node.setdefault("_errors", []).append({"code": code, "message": message})

    def too_long(self, path: str, limit: int) -> None:
        self.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")

    def bad_length(self, path: str, low: int, high: int) -> None:
        self.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {low} and {high} in length.")

    def required(self, path: str) -> None:
        self.add(path, "BASE_TYPE_REQUIRED", "This field is required")

    def check(self) -> None:
        if self._tree:
            raise ApiError(400, 50035, "Invalid Form Body", errors=self._tree)
