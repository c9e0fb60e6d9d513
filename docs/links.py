"""Checks the pages of the site: every link of theirs leads somewhere on it, and nothing that a page loads comes from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data", "video": "src"}


class Page(HTMLParser):
    """The anchors of a page, where its links lead, and what it loads."""

    def __init__(self, path: Path):
        super().__init__()
        self.anchors: set[str] = {""}
        self.targets: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors.update(found[name] for name in ("id", "name") if name in found)
        if tag == "a" and "href" in found:
            self.targets.append(found["href"])
        if tag in LOADED and LOADED[tag] in found:
            self.loads.append(found[LOADED[tag]])


def problems(site: Path) -> Iterator[str]:
    """A sentence for each link that leads nowhere and for each thing loaded from another host."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        at = path.relative_to(site.resolve())
        for url in page.targets + page.loads:
            if urlsplit(url).scheme or url.startswith("//"):
                if url in page.loads and not url.startswith("data:"):
                    yield f"{at} loads {url} from another host"
                continue
            address, fragment = urldefrag(url)
            target = (path.parent / unquote(urlsplit(address).path)).resolve() if address else path
            if not target.is_file():
                yield f"{at} links to {url}: there is no such file"
            elif target in pages and unquote(fragment) not in pages[target].anchors:
                yield f"{at} links to {url}: the page has no such place"
