"""Messages and notifications, and that texts of callers stay texts in them.

Slack: docs.slack.dev, text-object and formatting-message-text.
Mattermost: docs.mattermost.com, message-attachments; getMentionsEnabledFields in notification.go.
Teams: add-incoming-webhook.md, and that a RichTextBlock has no Markdown (adaptive-cards, text
features). ntfy: docs.ntfy.sh/publish/#publish-as-json. Telegram: sendMessage of its clients.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from tests.recipes.shapes.base import Shape, Text

#: A text of ours, in which a chat reads markup: without the characters that begin it.
Fixed = Annotated[str, StringConstraints(min_length=1, pattern=r"^[\w\s+:.,'-]+$")]
#: The same for Slack, whose markup begins with `<`.
SlackFixed = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^<>]+$")]


class SlackText(Shape):
    """A text object without markup."""

    type: Literal["plain_text"]
    emoji: bool
    text: Annotated[str, StringConstraints(min_length=1, max_length=3000)]


class SlackBlock(Shape):
    """A section."""

    type: Literal["section"]
    text: SlackText


class SlackMessage(Shape):
    """A message to an incoming webhook."""

    text: SlackFixed
    blocks: list[SlackBlock]


class MattermostAttachment(Shape):
    """An attachment: `author_name` has no markup and no mentions, `text` has both."""

    fallback: Fixed
    color: Annotated[str, StringConstraints(pattern="^#[0-9a-f]{6}$")] | None = None
    author_name: Text
    text: Fixed


class MattermostMessage(Shape):
    """A message to an incoming webhook."""

    text: Fixed
    attachments: list[MattermostAttachment]


class TextBlock(Shape):
    """A text with Markdown."""

    type: Literal["TextBlock"]
    text: Fixed
    weight: Literal["Bolder"]


class TextRun(Shape):
    """A text without Markdown."""

    type: Literal["TextRun"]
    text: Text


class RichTextBlock(Shape):
    """A block of texts without Markdown."""

    type: Literal["RichTextBlock"]
    inlines: list[TextRun]


class AdaptiveCard(Shape):
    """A card."""

    schema_url: Literal["http://adaptivecards.io/schemas/adaptive-card.json"] = Field(
        alias="$schema"
    )
    type: Literal["AdaptiveCard"]
    version: Literal["1.4"]
    body: list[TextBlock | RichTextBlock]


class TeamsAttachment(Shape):
    """An attachment with a card."""

    contentType: Literal["application/vnd.microsoft.card.adaptive"]  # noqa: N815
    contentUrl: None  # noqa: N815
    content: AdaptiveCard


class TeamsMessage(Shape):
    """A message to a workflow."""

    type: Literal["message"]
    attachments: Annotated[list[TeamsAttachment], Field(min_length=1)]


class NtfyMessage(Shape):
    """A message in JSON, which goes to the root of the server."""

    path: ClassVar[str] = "/"
    topic: Text
    title: str
    message: Text
    tags: list[str]
    priority: Annotated[int, Field(ge=1, le=5)] = 3


class LinkPreview(Shape):
    """Options of the preview of a link."""

    is_disabled: Literal[True]


class TelegramMessage(Shape):
    """`sendMessage`; without `parse_mode`, the text has no markup."""

    path: ClassVar[str] = "/bot[^/]+/sendMessage"
    chat_id: Text
    text: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    link_preview_options: LinkPreview


SLACK = {"*": SlackMessage}
MATTERMOST = {"*": MattermostMessage}
TEAMS = {"*": TeamsMessage}
NTFY = {"*": NtfyMessage}
TELEGRAM = {"*": TelegramMessage}
