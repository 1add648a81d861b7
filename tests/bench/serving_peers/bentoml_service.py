"""The model behind BentoML, one worker; the model is model.joblib of the working folder."""

import bentoml
import joblib


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Iris:
    def __init__(self) -> None:
        self.model = joblib.load("model.joblib")

    @bentoml.api
    def predict(self, instances: list[list[float]]) -> list[int]:
        return self.model.predict(instances).tolist()
