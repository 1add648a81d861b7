"""What each launcher can do with a job, read from the classes themselves: rows, and README's table."""

from __future__ import annotations

from ml_jobs.launch.base import LAUNCHERS, Feature, Launcher, launcher_class

BEGIN, END = "<!-- launchers -->", "<!-- /launchers -->"
"""Where README.md holds `as_markdown()`, between the two lines."""


def launchers() -> list[type[Launcher]]:
    return [launcher_class(name) for name in LAUNCHERS]


def matrix() -> list[dict[str, str]]:
    """A row for each feature; a column for each launcher, by its title: `yes` or `no`."""
    return [
        {"feature": feature.value} | {each.title: "no" if feature in each.lacks else "yes" for each in launchers()}
        for feature in Feature
    ]


def as_markdown() -> str:
    """The matrix, and below it what is refused, in the words of the refusal."""
    titles = [each.title for each in launchers()]
    return "\n".join(
        [
            "| a job asks for | " + " | ".join(titles) + " |",
            "|---|" + "---|" * len(titles),
            *("| " + " | ".join(row.values()) + " |" for row in matrix()),
            "",
            *(
                f"- {each.title}, no {feature.value}: {reason}"
                for each in launchers()
                for feature, reason in each.lacks.items()
            ),
        ]
    )
