"""LLaMA-Factory's WebUI on a pod behind an sshd, in a real browser on this side of the tunnel."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from millhand.runs.opening import open_pod
from millhand.runs.webui import web_ui
from millhand.workspace import Workspace
from tests.browser.chromium import BROWSER, DRIVER, chromium
from tests.integration.conftest import Bench
from tests.patience import WITHIN_S
from tests.sshd import running_sshd

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="chromium and chromium-driver are not installed"),
]


@pytest.fixture
def page(bench: Bench, tmp_path: Path) -> Iterator[str]:
    """The address of the WebUI of a pod that is another machine as far as anybody can tell."""
    with running_sshd(tmp_path / "sshd") as sshd:
        address = sshd.address
        text = f"kind: ssh\nhost: 127.0.0.1\nport: {address.port}\nuser: {address.user}\n"
        text += f"key: {address.key_files[0]}\nworkspace: {tmp_path}/box\npython: {sys.executable}\n"
        (bench.root / "runpod/box.yaml").write_text(text)
        workspace = Workspace(bench.root)
        pod = open_pod(workspace, "box", lambda _: None)
        with web_ui(workspace, pod, at=0, language="en") as (url, _):
            yield url


def test_the_workspaces_datasets_and_configs_are_on_the_page(page: str, tmp_path: Path) -> None:
    with chromium(tmp_path / "profile") as browser:
        browser.get(page)
        assert "bicycle" in _offered(browser, "Dataset")
        _choose(browser, "Config path", "qa.yaml")
        _press(browser, "Load arguments")
        WebDriverWait(browser, WITHIN_S).until(lambda _: _value(browser, "Cutoff length") == "128")
        assert _value(browser, "Learning rate") == "0.001"
        assert _value(browser, "Gradient accumulation") == "1", "the page's own default is another"
        assert _value(browser, "Model path") == "../../models/tiny"
        chosen = browser.find_elements(By.XPATH, "//*[contains(@class, 'token')]//span[.='bicycle']")
        assert chosen, "the config's dataset was to be chosen"
        if picture := os.environ.get("SCREENSHOT"):
            browser.execute_script("window.scrollTo(0, 0)")
            browser.save_screenshot(picture)


def _field(browser: WebDriver, label: str) -> WebElement:
    """The field below a label, once it is on the page."""
    head = f"//*[@data-testid='block-info' and normalize-space()='{label}']"
    place = f"{head}/following::*[self::input or self::textarea][1]"
    return WebDriverWait(browser, WITHIN_S).until(lambda page: page.find_element(By.XPATH, place))


def _value(browser: WebDriver, label: str) -> str:
    return str(_field(browser, label).get_attribute("value"))


def _offered(browser: WebDriver, label: str) -> list[str]:
    """What a list offers when it is opened; it asks the server first."""
    field = _field(browser, label)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", field)
    field.click()
    items = (By.CSS_SELECTOR, "ul[role=listbox] li")
    return WebDriverWait(browser, WITHIN_S).until(
        lambda page: [item.get_attribute("aria-label") for item in page.find_elements(*items)]
    )


def _choose(browser: WebDriver, label: str, choice: str) -> None:
    WebDriverWait(browser, WITHIN_S).until(lambda page: choice in _offered(page, label))
    browser.find_element(By.CSS_SELECTOR, f"ul[role=listbox] li[aria-label='{choice}']").click()


def _press(browser: WebDriver, label: str) -> None:
    button = browser.find_element(By.XPATH, f"//button[normalize-space()='{label}']")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
