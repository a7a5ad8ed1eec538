"""Holds the commands of deploy/README.md and RUNBOOK.md to the templates: each parameter and output that they name exists, and the functions' variables are in
docs/configuration.md."""

import pathlib
import re
import unittest

HERE = pathlib.Path(__file__).resolve().parents[1]
PAGES = {name: (HERE.parent / name).read_text() for name in ("README.md", "RUNBOOK.md")}
CONFIGURATION = (HERE.parents[1] / "docs/configuration.md").read_text()
STACKS = "|".join(sorted(path.stem for path in HERE.glob("*.yaml")))


def section(template, name):
    """The names in a section of a template, read by the layout of our files."""
    text = re.search(rf"^{name}:\n((?:(?: .*)?\n)+)", (HERE / f"{template}.yaml").read_text(), re.MULTILINE).group(1)
    return set(re.findall(r"^  (\w+):$", text, re.MULTILINE))


def commands(text):
    """The calls of `cargo deploy up`, each with the stack that it is for, if it is one, and the names that it gives."""
    text = re.sub(r"\\\n", " ", text)
    fences = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
    code = re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL) + re.findall(r"`([^`]+)`", fences.sub("", text))
    for call in re.findall(r"\bcargo deploy (?:up|plan)\b([^\n]*)", "\n".join(code)):
        only = re.search(r"--only (\w+)", call)
        yield only and only.group(1), re.findall(r"(?:^|\s)([A-Z][A-Za-z]+)=", call)


class Pages(unittest.TestCase):
    def test_every_parameter_that_a_command_gives_is_one_of_its_template(self):
        everywhere = {name for template in STACKS.split("|") for name in section(template, "Parameters")}
        seen = set()
        for page, text in PAGES.items():
            for only, given in commands(text):
                known = section(only, "Parameters") if only else everywhere
                self.assertEqual(set(given) - known, set(), f"{page}: {only or 'all stacks'}")
                seen.update(given)
        self.assertLessEqual({"PublicName", "TokenIssuer", "Shards", "ConnectionSecretGeneration"}, seen)

    def test_every_output_that_the_pages_name_is_one_of_a_stack(self):
        outputs = {name for template in STACKS.split("|") for name in section(template, "Outputs")}
        read = {name for text in PAGES.values() for name in re.findall(r"\boutput `(\w+)`", text)}
        self.assertGreater(len(read), 1)
        self.assertEqual(read - outputs, set())

    def test_every_variable_of_the_functions_is_in_the_documentation_with_their_own_ones(self):
        page = CONFIGURATION.split("## The functions")[1].split("\n## ")[0]
        told = set(re.findall(r"`(RTS_\w+)`", page))
        given = set(re.findall(r"^          (RTS_\w+):", (HERE / "data.yaml").read_text(), re.MULTILINE))
        self.assertEqual(given - told, set())
        # These have no parameter of the template.
        self.assertEqual(told - given, {"RTS_REDIS_CA_FILE", "RTS_REDIS_ALLOW_PLAIN_PASSWORD", "RTS_LOG_FORMAT"})


if __name__ == "__main__":
    unittest.main()
