"""Sphinx's settings for the site. `python -m docs.build` builds both languages with them, the Chinese one with the tag zh."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from docs import docstrings, languages, mathml, search

chinese = tags.has("zh")  # noqa: F821  (Sphinx defines tags)

project = "minigrad"
author = "The minigrad authors"
project_copyright = author
language = "zh_CN" if chinese else "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
templates_path = ["_templates"]
exclude_patterns = ["**.ipynb_checkpoints"]
nitpicky = True

nb_execution_mode = "off"  # docs.chapters has run them
nb_render_markdown_format = "myst"
nb_code_prompt_show = "看解答" if chinese else "Show the solution"
nb_code_prompt_hide = "收起解答" if chinese else "Hide the solution"
myst_enable_extensions = ["dollarmath", "deflist", "attrs_inline"]
myst_heading_anchors = 3

autodoc_typehints = "none"
autodoc_docstring_signature = False  # a docstring that begins with the name and ( is a sentence
autodoc_member_order = "bysource"

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = "minigrad"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # a page from a disk may not read others
html_theme_options = {
    "top_of_page_buttons": ["view", "edit"],  # docs/_templates/components: the other language, and the notebook
    "light_css_variables": {"color-brand-primary": "#2c6aa6", "color-brand-content": "#2c6aa6", "color-brand-visited": "#7a4e9e"},
    "dark_css_variables": {"color-brand-primary": "#8cb8e6", "color-brand-content": "#8cb8e6", "color-brand-visited": "#c3a3df"},
}


def setup(app):
    for part in (docstrings, languages, mathml, search):
        part.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
