"""QR codes as inline SVG: an image of its own would have the secret in its URL."""

from markupsafe import Markup


def qr_code(text: str) -> Markup:
    """Return the QR code of the text as an SVG element: dark on white in both themes."""
    # Most processes draw none.
    import segno  # noqa: PLC0415

    image = segno.make(text, error="m").svg_inline(scale=5, border=3, dark="#000", light="#fff")
    return Markup(image)  # noqa: S704  # segno draws it: the text is not in it
