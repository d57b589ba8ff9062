"""The one error that people see."""


class WorkbenchError(ValueError):
    """What is wrong, where (file, row, column), and the remedy, in one line each."""

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None):
        self.what, self.where, self.remedy = what, where, remedy
        head = f"{where}: {what}" if where else what
        super().__init__(f"{head}. {remedy}" if remedy else head)


def listing(items, most: int = 5) -> str:
    """The first few of many, and how many there are: for error messages."""
    items = [str(item) for item in items]
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
