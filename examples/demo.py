"""`make demo`: trains two small models on data that scikit-learn ships, packs them, serves them.

Everything is written below ./.demo; run it again and the next versions are packed. Another port:
`make demo PORT=9000`.
"""

from __future__ import annotations

import json
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import joblib
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fairlead
from fairlead.cli.main import main as command

HERE = Path(".demo")
REPOSITORY = HERE / "models"
WORDS = {
    "tumours": """
[words]
purpose = "Tells whether a tumour is malignant from thirty measurements of its cells' nuclei."
users = "Whoever wants to see what a served model looks like."
out_of_scope = "Any decision about a patient: it was trained on 426 rows for a demonstration."
training_data = "Three quarters of Wisconsin's breast cancer data, as scikit-learn ships it."
evaluation_data = "The other quarter."
licence = "CC-BY-4.0"
""",
    "progression": """
[words]
purpose = "Guesses how far diabetes will have come in a year, from ten values taken today."
users = "Whoever wants to see what a served model looks like."
out_of_scope = "Any decision about a patient: it explains less than half of what differs."
training_data = "Three quarters of Efron et al.'s diabetes data, as scikit-learn ships it."
evaluation_data = "The other quarter."

[units]
age = "years"
bmi = "kg/m2"
bp = "mmHg"
""",
}
"""What their owner says of the models; what is missing stands on their cards as missing."""


def tumours() -> tuple[Any, Any, Any]:
    """A classifier over thirty numbers: is a tumour malignant or benign?"""
    data = load_breast_cancer(as_frame=True)
    rows, labels = data.data, data.target.map(dict(enumerate(data.target_names)))
    model = make_pipeline(StandardScaler(), GradientBoostingClassifier(random_state=0))
    return model, rows, labels


def progression() -> tuple[Any, Any, Any]:
    """A regressor over numbers and text: how far will diabetes be in a year?"""
    data = load_diabetes(as_frame=True, scaled=False)
    rows = data.data.assign(sex=data.data["sex"].map({1.0: "female", 2.0: "male"}))
    numbers = [name for name in rows.columns if name != "sex"]
    table = make_column_transformer((StandardScaler(), numbers), (OneHotEncoder(), ["sex"]))
    model = make_pipeline(table, GradientBoostingRegressor(n_estimators=60, random_state=0))
    return model, rows, data.target


def pack(name: str, model: Any, rows: Any, target: Any) -> None:
    """Trains, saves the file that a data scientist would have, and packs it as anyone would."""
    train, test, train_target, test_target = train_test_split(rows, target, random_state=0)
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model.fit(train, train_target), folder / "model.joblib")
    train.to_csv(folder / "reference.csv", index=False)
    test.assign(target=test_target).to_csv(folder / "evaluation.csv", index=False)
    (folder / "model.toml").write_text(WORDS[name])
    words = ["pack", f"{folder}/model.joblib", "--name", name, "--repository", str(REPOSITORY)]
    words += ["--model-toml", f"{folder}/model.toml"]
    words += ["--reference", f"{folder}/reference.csv"]
    words += ["--evaluation", f"{folder}/evaluation.csv", "--target", "target"]
    print(f"\n$ fairlead {shlex.join(words)}", flush=True)
    if command(words) != 0:
        raise SystemExit(1)


def example(name: str) -> str:
    """A curl line for the model's own example row."""
    newest = max(
        (REPOSITORY / name).iterdir(), key=lambda p: int(p.name) if p.name.isdigit() else -1
    )
    row = json.loads((newest / "examples.json").read_text())["rows"][0]
    return json.dumps(row)


def main() -> None:
    """Packs both models, serves them until Ctrl-C, and prints lines to paste."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server ends with us
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    pack("tumours", *tumours())
    pack("progression", *progression())
    print(f"\n$ fairlead serve {REPOSITORY} --port {port}", flush=True)
    try:
        server = fairlead.serve(REPOSITORY, port=port, state=HERE / "state")
    except fairlead.FairleadError as error:
        raise SystemExit(f"demo: {error.line()} (make demo PORT=9000)") from None
    with server:
        print(f"Serving at {server.url}; Ctrl-C ends it. Open in a browser:\n")
        for name in ("progression", "tumours"):
            print(f"{server.url}/models/{name}             what it is, and how to ask it")
            print(f"{server.url}/models/{name}/playground  a form to try it")
            print(f"{server.url}/models/{name}/card        its card\n")
        print("Or paste these into another terminal:\n")
        for name in ("progression", "tumours"):
            print(f"curl {server.url}/predict/{name} -d {shlex.quote(example(name))}\n")
        print(f"curl {server.url}/models", flush=True)
        server.wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\nended")
