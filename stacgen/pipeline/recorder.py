"""What happens in a run, kept for its report."""

import threading

from stacgen.model.outcomes import Event, Lost, Noted, Outcome, Planned, Received, Report, Watch


class Recorder:
    """Keeps what is told, and passes it on, one event at a time."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._notes: list[str] = []
        self._planned: list[Planned] = []
        self._lost: list[Lost] = []

    def __call__(self, event: Event) -> None:
        """Keep an event, and pass it on."""
        with self._lock:
            match event:
                case Noted(text=text):
                    self._notes.append(text)
                case Planned():
                    self._planned.append(event)
                case Lost():
                    self._lost.append(event)
                case Received():
                    pass
                case _:
                    self._outcomes.append(event)
            self._watch(event)

    def report(self, address: str) -> Report:
        """Return the report of what was kept, in the order of the streams."""
        streams = {planned.stream: place for place, planned in enumerate(self._planned)}
        outcomes = sorted(
            self._outcomes, key=lambda each: (streams[each.ref.stream], each.ref.frame.number)
        )
        return Report(
            address=address,
            outcomes=tuple(outcomes),
            notes=tuple(self._notes),
            planned=tuple(self._planned),
            lost=tuple(self._lost),
        )
