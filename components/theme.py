"""The page's own look: a Gradio theme, the style sheets, and what goes into the page's head.

Colours live once, as custom properties in `colours.css` (light and dark); the theme only points at
them. Weights are 400 and 700: the bundled 600 files of Gradio 6.31 lack most letters.
"""

from pathlib import Path

import gradio as gr

HERE = Path(__file__).parent

CSS_PATHS = tuple(
    HERE / name
    for name in ("base.css", "widgets.css", "header/header.css", "runs/panel.css",
                 "constitution/editor.css", "constitution/effects.css", "critique/cards.css",
                 "judge/table.css", "rate/rate.css", "spotcheck/spotcheck.css",
                 "agreement/agreement.css", "train/train.css", "data/data.css")
)  # fmt: skip
RATING_CSS_PATHS = tuple(HERE / name for name in ("base.css", "widgets.css", "rate/rate.css"))

FAVICON = HERE / "favicon.svg"

# Model text never becomes markup, and this is the second wall: nothing may be fetched from, or
# sent to, another host. Gradio itself needs inline scripts and eval.
CONTENT_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; img-src 'self' data: blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'"
)
HEAD = f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">'


INK, SOFT, LINE, CARD, PAPER, ACCENT = (
    f"var(--cw-{name})" for name in ("ink", "soft", "line", "card", "paper", "accent")
)
VARIABLES = {
    "body_background_fill": PAPER,
    "body_text_color": INK,
    "body_text_color_subdued": SOFT,
    "background_fill_primary": CARD,
    "background_fill_secondary": PAPER,
    "border_color_primary": LINE,
    "border_color_accent": ACCENT,
    "color_accent_soft": "var(--cw-tint)",
    "link_text_color": ACCENT,
    "block_background_fill": "transparent",
    "block_border_color": "transparent",
    "block_border_width": "0px",
    "block_shadow": "none",
    "block_padding": "0px",
    "block_label_text_color": SOFT,
    "block_title_text_color": SOFT,
    "block_title_text_size": "13.5px",
    "block_title_text_weight": "400",
    "block_label_text_weight": "400",
    "block_info_text_color": SOFT,
    "block_info_text_size": "13px",
    "input_background_fill": CARD,
    "input_background_fill_focus": CARD,
    "input_border_color": LINE,
    "input_border_color_focus": ACCENT,
    "input_border_width": "1px",
    "input_radius": "8px",
    "input_padding": "9px 12px",
    "input_shadow": "none",
    "input_shadow_focus": "var(--cw-ring)",
    "input_text_size": "16px",
    "input_placeholder_color": SOFT,
    "panel_background_fill": "transparent",
    "section_header_text_weight": "700",
    "prose_header_text_weight": "700",
    "button_large_text_weight": "700",
    "button_medium_text_weight": "400",
    "button_small_text_weight": "400",
    "button_large_radius": "8px",
    "button_medium_radius": "8px",
    "button_medium_text_size": "16px",
    "button_border_width": "1px",
    "button_primary_background_fill": ACCENT,
    "button_primary_background_fill_hover": "var(--cw-accent-strong)",
    "button_primary_border_color": ACCENT,
    "button_primary_text_color": "var(--cw-on-accent)",
    "button_secondary_background_fill": CARD,
    "button_secondary_background_fill_hover": "var(--cw-tint)",
    "button_secondary_border_color": LINE,
    "button_secondary_text_color": INK,
    "checkbox_background_color": CARD,
    "checkbox_background_color_selected": ACCENT,
    "checkbox_border_color": "var(--cw-soft)",
    "checkbox_border_color_selected": ACCENT,
    "checkbox_label_background_fill": "transparent",
    "checkbox_label_background_fill_selected": "transparent",
    "checkbox_label_text_color": INK,
    "checkbox_label_text_weight": "400",
    "slider_color": ACCENT,
    "loader_color": ACCENT,
    "error_background_fill": CARD,
    "error_border_color": "var(--cw-bad)",
    "error_text_color": "var(--cw-bad)",
}


def page_js() -> str:
    """The page's keyboard shortcuts, run once when the page loads."""
    return (HERE / "page.js").read_text(encoding="utf-8")


def theme() -> gr.themes.Base:
    """Gradio's variables, all drawn from the custom properties of `colours.css`."""
    base = gr.themes.Base(
        font=[gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui",
              "sans-serif"],
        font_mono=[gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "monospace"],
        text_size=gr.themes.sizes.text_md,
        radius_size=gr.themes.sizes.radius_md,
    )  # fmt: skip
    # Said again for the dark page: a variable made of others is worked out where it is set.
    dark = {f"{name}_dark": value for name, value in VARIABLES.items() if _has_dark(name)}
    themed = base.set(**VARIABLES, **dark)
    # With the theme and not the style sheets, which the login page does not load.
    themed.custom_css = (HERE / "colours.css").read_text(encoding="utf-8")
    return themed


def _has_dark(name: str) -> bool:
    return any(part in name for part in ("fill", "color", "shadow", "_check")) and not any(
        part in name for part in ("_size", "_weight")
    )
