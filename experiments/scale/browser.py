"""How long a page takes to open in headless Chromium, and what memory its document takes.

python experiments/scale/browser.py FOLDER/report.html
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "report"))
from browser import Browser, find_browser


def main() -> None:
    """Open the page, scroll to its end, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    page = parser.parse_args().page.absolute()
    program = find_browser()
    if program is None:
        sys.exit("no Chromium: set $CHROME")
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(program, Path(folder))
        try:
            started = time.perf_counter()
            browser.open(page)
            browser.run("document.body.getBoundingClientRect().height")
            opened = time.perf_counter() - started
            started = time.perf_counter()
            browser.run("window.scrollTo(0, document.body.scrollHeight); document.body.getBoundingClientRect().height")
            scrolled = time.perf_counter() - started
            found = {
                "megabytes": page.stat().st_size / 1e6,
                "opened_s": round(opened, 2),
                "scrolled_s": round(scrolled, 2),
                "elements": browser.run("document.querySelectorAll('*').length"),
                "rows": browser.run("document.querySelectorAll('tbody tr').length"),
                "heap_megabytes": round(browser.run("performance.memory.usedJSHeapSize") / 1e6, 1),
            }
        finally:
            browser.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
