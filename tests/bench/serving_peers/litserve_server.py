"""The model behind LitServe, one worker: `litserve_server.py PORT`; the model is model.joblib of the working folder."""

from __future__ import annotations

import sys
from typing import Any

import joblib
import litserve


class Iris(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        self.model = joblib.load("model.joblib")

    def decode_request(self, request):  # unannotated: it takes what it can't resolve for a query parameter
        return request["instances"]

    def predict(self, rows: Any) -> Any:
        return self.model.predict(rows)

    def encode_response(self, labels: Any) -> Any:
        return {"predictions": labels.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Iris(), accelerator="cpu", workers_per_device=1)
    server.run(
        port=int(sys.argv[1]), host="127.0.0.1", num_api_servers=1, generate_client_file=False, log_level="warning"
    )
