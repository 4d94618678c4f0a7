"""Secrets of receivers: sent where the recipe puts them, and shown nowhere."""

import html
import json
from urllib.parse import quote

import pytest

from callevents.receivers.recipe_files import FOLDER, read_recipe
from callevents.receivers.recipes import Recipe
from tests.recipes.calls import AT, make_cases
from tests.recipes.rendering import ANSWERS, answer_questions, is_meant, render

SECRET = ANSWERS["secret"]
#: The secret as URLs, JSON and HTML spell it.
SPELLINGS = {SECRET, quote(SECRET, safe=""), json.dumps(SECRET)[1:-1], html.escape(SECRET)}
RECIPES = [read_recipe(path) for path in sorted(FOLDER.glob("*.toml"))]
#: Recipes whose secret is in the URL that the admin pastes, by the part that is secret.
SECRET_URLS = {
    "bitrix24": "abc123def456ghi7",
    "mattermost": "x" * 26,
    "slack": "X" * 24,
    "teams": "sig=XXXX",
}


@pytest.mark.parametrize("recipe", RECIPES, ids=[recipe.slug for recipe in RECIPES])
def test_secrets_are_masked_wherever_a_request_is_shown(recipe: Recipe) -> None:
    """In the URL, the headers, the body, and in a response that repeats them."""
    answers = {**answer_questions(recipe)}
    secrets = [question.name for question in recipe.questions if question.kind == "secret"]
    answers |= dict.fromkeys(secrets, SECRET)
    in_url = SECRET_URLS.get(recipe.slug, "")
    hidden = {*SPELLINGS, *filter(None, [in_url])}
    for request in recipe.requests:
        event = next(case.event for case in make_cases() if is_meant(request, case.event))
        sent = render(recipe, request, event, answers=answers)
        assert in_url in sent.url
        headers = json.dumps(sent.shown_headers(AT))
        repeated = sent.mask(" ".join(SPELLINGS)) if secrets else ""
        for shown in (sent.shown_url, sent.shown_body, headers, repeated):
            assert not [one for one in hidden if one in shown], shown
