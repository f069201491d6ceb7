"""A profile: one server, as the machine's owner set it up, with all that a graph's author may not choose."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from api_graph.addresses import BadAddress, Origin, parse_base_url
from api_graph.errors import BadInput

MODEL_ID = r"[!-~]([ -~]{0,254}[!-~])?"
_MODEL_ID_HINT = "A model's id is up to 256 printable ASCII characters."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_KEY_FIELDS = frozenset({"key", "api_key", "apikey", "token", "secret", "password", "authorization", "bearer"})
_OWN_MESSAGES = "profile"
# What decides how a request is written, and how its reply is read.
_ASKED_WITH = (
    "send_sampling",
    "send_seed",
    "token_field",
    "detail",
    "order",
    "picture_format",
    "max_side",
    "keep_reasoning",
    "revision",
)
_READING = 2  # raised when the same reply is read as another answer

ModelId = Annotated[str, StringConstraints(pattern=f"^{MODEL_ID}$")]


class Profile(BaseModel):
    """What is known of one server.

    `allow_private` lets plain http lead to private addresses, as of a server in the next room or container.
    `models` are the ids that graphs may name; the first is the default. If there are none, graphs may name any.
    `key_env` is the name of the environment variable with the key; None for a server that wants none.
    `send_sampling` is off for models that refuse a temperature, `send_seed` for servers that refuse a seed. `order` is
    that of text and images in a message: OpenAI's examples put the text first, most open models learnt it second.
    `policy` "paper" is the published code's: one more try, and then an empty answer instead of an error.
    `max_requests` is how many requests one run may send; every try counts. `requests_per_minute` None is no limit.
    Pictures are sent in `picture_format`, and scaled down to `max_side` pixels where they are longer (None: never).
    `keep_reasoning` leaves what a model wrote before its answer (<think>...</think>) in the text.
    `revision` is whatever tells two states of the server's model apart; `keep_answers` lets cached answers serve runs
    with any output folder.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str
    allow_private: bool = False  # stands before the URL, whose check reads it
    base_url: str = Field(repr=False)
    models: Annotated[tuple[ModelId, ...], Field(strict=False)] = ()
    key_env: Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]{0,63}$")] | None = None
    timeout_s: float = Field(default=120.0, gt=0, le=3600)
    retries: int = Field(default=4, ge=0, le=10)
    concurrency: int = Field(default=8, ge=1, le=1024)
    requests_per_minute: int | None = Field(default=None, ge=1, le=100_000)
    max_requests: int = Field(default=10_000, ge=1)
    token_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    send_sampling: bool = True
    send_seed: bool = True
    policy: Literal["practical", "paper"] = "practical"
    detail: Literal["auto", "low", "high", "none"] = "auto"
    order: Literal["text_first", "images_first"] = "text_first"
    keep_reasoning: bool = False
    picture_format: Literal["png", "jpeg", "webp"] = "png"
    max_side: int | None = Field(default=None, ge=16, le=65_500)
    revision: Annotated[str, StringConstraints(max_length=256)] | None = None
    keep_answers: bool = False

    @field_validator("base_url")
    @classmethod
    def _may_be_asked(cls, url: str, info: ValidationInfo) -> str:
        try:
            origin, path = parse_base_url(url, allow_private=info.data.get("allow_private", False))
        except BadAddress as error:
            raise PydanticCustomError(_OWN_MESSAGES, "{why}", {"why": str(error)}) from None
        return f"{origin}{path}"

    @property
    def settings(self) -> dict[str, object]:
        """All that the owner may set besides where the server is, its models and its key."""
        return self.model_dump(exclude={"name", "base_url", "models", "key_env"})

    @property
    def own_settings(self) -> dict[str, object]:
        """Those of the `settings` that are not at their default."""
        return {name: value for name, value in self.settings.items() if value != type(self).model_fields[name].default}

    @property
    def origin(self) -> Origin:
        """Scheme, host and port: the only ones to which the key is sent."""
        return parse_base_url(self.base_url, allow_private=self.allow_private)[0]

    @property
    def host(self) -> str:
        """Where images and questions go, for people to see."""
        return self.origin.host

    def model_id(self, wanted: str = "") -> str:
        """`wanted`, or the default model where it is empty. Raises BadInput for one that the profile does not allow."""
        if not wanted and not self.models:
            hint = f'Write "{self.name}/MODEL-ID", or add `models` to the profile.'
            raise BadInput("the profile has no default model", input="endpoint", value=self.name, hint=hint)
        if self.models and wanted and wanted not in self.models:
            hint = f"It has {', '.join(self.models)}."
            raise BadInput(f'the profile "{self.name}" has no such model', input="endpoint", value=wanted, hint=hint)
        if wanted and not re.fullmatch(MODEL_ID, wanted):
            raise BadInput("is no model's id", input="endpoint", value=wanted, hint=_MODEL_ID_HINT)
        return wanted or self.models[0]

    def fingerprint(self, model: str) -> str:
        """sha256 over all that decides what `model` is asked and where; it reveals neither URL nor key."""
        settings = {name: getattr(self, name) for name in _ASKED_WITH}
        return hashlib.sha256(repr((_READING, self.base_url, model, settings)).encode()).hexdigest()


_FIELDS = sorted(Profile.model_fields, key="allow_private".__eq__)  # the others come in the order of the class


def check_name(name: str) -> str:
    """`name`, if a profile may have that name. Raises BadInput."""
    if not _NAME.fullmatch(name):
        hint = "Use up to 64 letters, digits, - and _."
        raise BadInput("is no name for a profile", input="endpoint", value=name, hint=hint)
    return name


def read_profile(name: str, fields: Mapping[str, object], where: str) -> Profile:
    """The profile `name` with these fields, which come from `where`.

    Raises BadInput. Its text repeats no value: one of them may be a key, or a URL with a password.
    """
    check_name(name)
    for field in fields:
        if field.lower() in _KEY_FIELDS:
            hint = "Put the key into an environment variable, and that variable's name into `key_env`."
            raise BadInput("holds a key, which is not kept in files", input=f"{where}, {name}.{field}", hint=hint)
    problem: tuple[str, str] | None = None
    try:
        return Profile.model_validate({**fields, "name": name})
    except ValidationError as error:
        problem = _first_problem(error)
    raise BadInput(problem[1].rstrip("."), input=f"{where}, {name}.{problem[0]}")


def _first_problem(error: ValidationError) -> tuple[str, str]:
    """The first field at fault, and what is wrong with it, in words for whoever writes the file."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if field == "key_env":
        return field, "is not the name of an environment variable (A-Z, 0-9 and _); the key itself stays out of here"
    if first["type"] == "extra_forbidden":
        return field, f"there is no such setting. A profile has {', '.join(_FIELDS)}"
    if first["loc"][0] == "models" and len(first["loc"]) > 1:
        return field, f"is no model's id. {_MODEL_ID_HINT}"
    return field, first["msg"]
