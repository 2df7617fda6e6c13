# SPDX-License-Identifier: ISC
"""What bash offers at the tabulator key."""

import os
import re
import subprocess

import pytest

from mpushlib import BUILDDIR, DEADLINE, ROOT

COMPLETIONS = os.path.join(ROOT, "contrib", "completion")


def complete(*words, cwd=ROOT):
    """What is offered for the last of the words."""
    command = words[0]
    script = (f'. "{COMPLETIONS}/{command}"; COMP_WORDS=("$@"); '
              f'COMP_CWORD=$(($# - 1)); _{command}; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    out = subprocess.run(["bash", "-c", script, "bash", *words], check=True,
                         capture_output=True, text=True, cwd=cwd,
                         timeout=2 * DEADLINE)
    return sorted(out.stdout.split())


def usage(command):
    """What it says to a wrong option."""
    r = subprocess.run([os.path.join(BUILDDIR, "src", command), "-?"],
                       capture_output=True, text=True, check=False,
                       timeout=2 * DEADLINE)
    return r.stderr


def letters(text):
    """The options in a usage: [-ab] [-c value]."""
    found = re.findall(r"\[-([0-9A-Za-z]+)", text)
    return sorted({f"-{x}" for group in found for x in group})


def test_the_commands_of_mpush():
    assert complete("mpush", "") == ["-V", "listen", "send", "template"]
    assert complete("mpush", "l") == ["listen"]


@pytest.mark.parametrize("name", ["listen", "send", "template"])
def test_the_options_of_mpush_are_those_of_its_usage(name):
    text = re.sub(r"\n +(?!mpush| )", " ", usage("mpush"))
    line, = re.findall(rf"mpush {name} (.*)", text)
    assert complete("mpush", name, "-") == letters(line)


def test_the_options_of_mpushd_are_those_of_its_usage():
    text = usage("mpushd")
    assert "--dump" in text
    assert complete("mpushd", "-") == sorted(["--dump", *letters(text)])


def test_the_keys_of_mpushd_are_all_of_them():
    with open(os.path.join(ROOT, "src", "conf_key.c"), encoding="utf-8") as f:
        keys = re.findall(r'^\t\{ "([A-Z_]+)", CONF_', f.read(), re.M)
    assert len(keys) > 20
    assert complete("mpushd", "-o", "") == sorted(f"{k}=" for k in keys)
    assert complete("mpushd", "-o", "TOKEN") == ["TOKEN=", "TOKEN_FILE="]


@pytest.mark.parametrize("words", [
    ("mpush", "listen", "-T", "a"), ("mpushd", "-f", "a")])
def test_a_file_is_offered_where_one_is_due(tmp_path, words):
    (tmp_path / "abc").touch()
    (tmp_path / "b").touch()
    assert complete(*words, cwd=tmp_path) == ["abc"]


def test_nothing_is_offered_for_a_value():
    assert complete("mpush", "send", "-t", "-") == []
    assert complete("mpush", "listen", "t") == []
