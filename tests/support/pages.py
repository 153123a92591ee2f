"""The host's queue, and what its server would send to the page."""

from execution import PromptQueue


class Page:
    client_id = "page"

    def __init__(self):
        self.told = []
        self.prompt_queue = PromptQueue(self)

    def queue_updated(self):
        pass

    def send_sync(self, event, data, sid=None):
        if event == "animatediff_said" and sid == self.client_id:
            self.told.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.told[-1]["output"]["animatediff_text"])

    def begin(self, prompt_id: str, prompt: dict) -> int:
        """The run's number in the queue."""
        self.prompt_queue.put((0, prompt_id, prompt, {}, [], {}))
        return self.prompt_queue.get()[1]

    def end(self, number: int) -> None:
        self.prompt_queue.task_done(number, {}, None)
