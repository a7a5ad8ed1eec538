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
    """The calls of `stack`, each with its template and the names that it gives; a call may go on behind a line's end."""
    text = re.sub(r"\\\n", " ", text)
    code = re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL) + re.findall(r"`([^`]+)`", re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL))
    for template, rest in re.findall(rf"\bstack ({STACKS})\b([^\n&#]*(?:\n *[A-Z]\w+=[^\n&#]*)*)", "\n".join(code)):
        yield template, re.findall(r"(?:^|\s)([A-Z][A-Za-z]+)=", rest)


class Pages(unittest.TestCase):
    def test_every_parameter_that_a_command_gives_is_one_of_its_template(self):
        seen = set()
        for page, text in PAGES.items():
            for template, given in commands(text):
                seen.add(template)
                self.assertEqual(set(given) - section(template, "Parameters"), set(), f"{page}: stack {template}")
        self.assertEqual(seen, set(STACKS.split("|")), "every template has its command")

    def test_every_output_that_a_command_reads_is_one_of_its_stack(self):
        read = {pair for text in PAGES.values() for pair in re.findall(rf"\boutput rts-({STACKS})(?:-blue|-green)? (\w+)", text)}
        self.assertGreater(len(read), 3)
        for template, name in read:
            self.assertIn(name, section(template, "Outputs"), f"output rts-{template}")

    def test_every_variable_of_the_functions_is_in_the_documentation_with_their_own_ones(self):
        page = CONFIGURATION.split("## The functions")[1].split("\n## ")[0]
        told = set(re.findall(r"`(RTS_\w+)`", page))
        given = set(re.findall(r"^          (RTS_\w+):", (HERE / "data.yaml").read_text(), re.MULTILINE))
        self.assertEqual(given - told, set())
        # These have no parameter of the template.
        self.assertEqual(told - given, {"RTS_REDIS_CA_FILE", "RTS_REDIS_ALLOW_PLAIN_PASSWORD", "RTS_LOG_FORMAT"})


if __name__ == "__main__":
    unittest.main()
