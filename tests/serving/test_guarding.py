"""Guards at work: what becomes of rows that are doubted, on every wire, and never a 5xx."""

import json
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.model_selection import train_test_split

import fairlead
from fairlead.core.signature import BESIDE
from fairlead.packing.amend import amend
from fairlead.serving.guarding import MOST_EXPLAINED, UNEXPLAINED


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A guarded classifier and regressor in one repository."""
    repository = tmp_path_factory.mktemp("guarded")
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    x = x.iloc[:, :8]
    train, test, y_train, y_test = train_test_split(x, y, random_state=0)
    model = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(train, y_train)
    fairlead.pack(
        model, name="tumour", repository=repository, reference=train, evaluation=(test, y_test)
    )
    x, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    x = x.assign(sex=x["sex"].map({1.0: "female", 2.0: "male"}))[["age", "sex", "bmi", "bp"]]
    fairlead.pack(
        make_table(x, y), name="sugar", repository=repository, reference=x, evaluation=(x, y)
    )
    return repository


def make_table(x, y):
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    table = make_column_transformer((OneHotEncoder(), ["sex"]), remainder="passthrough")
    return make_pipeline(table, GradientBoostingRegressor(n_estimators=20)).fit(x, y)


def amended(packed, tmp_path, model, words="", contract=None):
    """The next version with other guards; returns (repository, version)."""
    folder = max((packed / model).iterdir(), key=lambda p: int(p.name))
    text = (folder / "model.toml").read_text()
    head = text.index("[guards]")
    file = tmp_path / "model.toml"
    file.write_text(text[:head] + "[guards]\n" + words + "\n")
    edited = None
    if contract is not None:
        edited = tmp_path / "contract.toml"
        edited.write_text(contract((folder / "contract.toml").read_text()))
    return amend(packed, model, file, edited)


@pytest.fixture
def good(packed):
    """A row that the model was trained on."""
    return json.loads((packed / "tumour" / "1" / "examples.json").read_text())["rows"][0]


def ask(client, rows, model="tumour"):
    answer = client.post(f"/predict/{model}", json=rows)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def infer(rows, **more):
    values = [list(row.values()) for row in rows]
    tensor = {"name": "X", "shape": [len(rows), len(values[0])], "datatype": "FP32", "data": values}
    return {"inputs": [tensor], **more}


def test_a_usual_row_is_served_with_what_the_guards_say(packed, serving, good):
    (answer,) = ask(serving(packed), [good])
    assert answer["decision"] == "serve"
    assert answer["reasons"] == []
    assert 0.01 < answer["p_novel"] <= 1
    assert 0.5 < answer["confidence"] <= 1
    assert answer["label"] in (0, 1)


def test_a_wrong_unit_is_rejected_and_its_neighbours_are_served(packed, serving, good):
    wrong = good | {"mean area": good["mean area"] * 1000}
    first, second, third = ask(serving(packed), [good, wrong, good])
    assert (first["decision"], third["decision"]) == ("serve", "serve")
    assert second["decision"] == "reject"
    assert second["reasons"] == ["mean area is outside the accepted range"]
    assert second["label"] is None
    assert second["scores"] is None
    assert "confidence" not in second
    assert second["p_novel"] <= 0.01


def test_a_request_of_many_novel_rows_buys_a_bounded_number_of_explanations(packed, serving, good):
    """Explaining costs far more than judging: one request must not hold the loop with it."""
    wrong = good | {"mean area": good["mean area"] * 1000}
    answers = ask(serving(packed), [wrong] * 2000)
    assert {a["decision"] for a in answers} == {"reject"}
    told = [a["reasons"] for a in answers]
    assert told[:MOST_EXPLAINED] == [["mean area is outside the accepted range"]] * MOST_EXPLAINED
    assert told[MOST_EXPLAINED:] == [[UNEXPLAINED]] * (2000 - MOST_EXPLAINED)


def test_other_protocols_refuse_a_rejected_row_with_the_reason(packed, serving, good):
    client = serving(packed)
    wrong = good | {"mean area": good["mean area"] * 1000}
    assert client.post("/v2/models/tumour/infer", json=infer([good])).status_code == 200
    for rows, row in ([wrong], 0), ([good, wrong], 1):
        answer = client.post("/v2/models/tumour/infer", json=infer(rows))
        assert answer.status_code == 422
        assert answer.json()["code"] == "INPUT_NOVEL"
        assert answer.json()["error"] == f"mean area is outside the accepted range (row {row})"


def test_a_client_that_asks_for_decisions_gets_them_and_masked_rows(packed, serving, good):
    client = serving(packed)
    wrong = good | {"mean area": good["mean area"] * 1000}
    listed = client.get("/v2/models/tumour").json()["outputs"]
    assert [o["name"] for o in listed][-4:] == ["decision", "p_novel", "confidence", "verdict"]
    names = [{"name": n} for n in ("probabilities", "decision", "p_novel", "confidence")]
    answer = client.post("/v2/models/tumour/infer", json=infer([good, wrong], outputs=names))
    found = {o["name"]: o["data"] for o in answer.json()["outputs"]}
    assert found["decision"] == ["serve", "reject"]
    assert found["probabilities"][2:] == [0, 0]
    assert sum(found["probabilities"][:2]) == pytest.approx(1)
    assert found["confidence"][1] == 0
    assert found["p_novel"][0] > 0.01 > found["p_novel"][1]


@pytest.mark.parametrize("model", ["tumour", "sugar"])
def test_the_verdict_of_a_row_is_what_its_answer_says_beside_the_outputs(packed, serving, model):
    client = serving(packed)
    (row,) = client.get(f"/models/{model}").json()["example"]["rows"]
    wrong = {k: v * 1000 if isinstance(v, float) else v for k, v in row.items()}
    told = ask(client, [row, wrong], model)
    about = client.get(f"/models/{model}").json()
    inputs = []
    for spec in about["inputs"]:
        names = spec.get("columns", [spec["name"]])
        data = [[one[name] for name in names] for one in (row, wrong)]
        inputs.append({**spec, "shape": [2, len(names)], "data": data})
    wanted = [{"name": "verdict"}]
    answer = client.post(
        f"/v2/models/{model}/infer", json={"inputs": inputs, "outputs": wanted}
    ).json()
    (verdicts,) = [o["data"] for o in answer["outputs"] if o["name"] == "verdict"]
    found = [json.loads(verdict) for verdict in verdicts]
    beside = [{k: v for k, v in one.items() if k in BESIDE} for one in told]
    assert found == [beside[0], {"withheld": True, **beside[1]}]
    assert [one["decision"] for one in found] == ["serve", "reject"]


@pytest.mark.parametrize("action", ["warn", "abstain", "shadow", "off"])
def test_the_owner_chooses_what_becomes_of_a_novel_row(packed, serving, good, tmp_path, action):
    version = amended(packed, tmp_path, "tumour", f'novelty = "{action}"')
    client = serving(version.folder)
    (answer,) = ask(client, [good | {"mean area": 1e6}])
    wanted = {"warn": "warn", "abstain": "abstain", "shadow": "serve", "off": "serve"}
    assert answer["decision"] == wanted[action]
    assert (answer["label"] is None) == (action == "abstain")
    assert ("p_novel" in answer) == (action != "off")


def test_full_disclosure_says_what_training_rows_held(packed, serving, good, tmp_path):
    version = amended(packed, tmp_path, "tumour", 'disclosure = "full"')
    (answer,) = ask(serving(version.folder), [good | {"mean area": 1e6}])
    assert answer["reasons"][0].startswith("mean area = 1e+06 is above the training maximum")


def test_answers_below_the_goal_are_abstained_from(packed, serving, tmp_path):
    version = amended(packed, tmp_path, "tumour", 'error_goal = 0.03\nnovelty = "off"')
    client = serving(version.folder)
    about = client.get("/models/tumour").json()["guards"]["confidence"]
    assert about["error_goal"] == 0.03
    rows = load_breast_cancer(as_frame=True).data.iloc[:, :8].to_dict("records")
    answers = ask(client, rows)
    decided = {a["decision"] for a in answers}
    assert decided <= {"serve", "abstain"}
    if about["threshold"] is None:
        assert about["reason"]
        assert decided == {"abstain"}
    for answer in answers:
        if answer["decision"] == "serve":
            assert answer["confidence"] >= about["threshold"] - 1e-6
        else:
            assert answer["label"] is None
            assert answer["reasons"][0].startswith("confidence 0.")


def test_an_unsure_answer_is_a_4xx_where_a_decision_has_no_place(packed, serving, good, tmp_path):
    version = amended(packed, tmp_path, "tumour", 'error_goal = 0.0001\nnovelty = "off"')
    answer = serving(version.folder).post("/v2/models/tumour/infer", json=infer([good]))
    assert answer.status_code == 422
    assert answer.json()["code"] == "ANSWER_UNSURE"


def test_a_value_outside_the_contract_is_refused_with_row_and_column(packed, serving, good):
    client = serving(packed)
    row = {"age": 40, "sex": "female", "bmi": 25.0, "bp": 90.0}
    assert ask(client, [row], "sugar")[0]["decision"] == "serve"
    answer = client.post("/predict/sugar", json=[row, row | {"sex": "other"}])
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["code"] == "CONTRACT_BROKEN"
    assert (problem["row"], problem["column"]) == (1, "sex")
    assert problem["detail"] == "sex = 'other' is none of: female, male"


def test_declared_limits_are_refused_marked_or_clipped_and_said(packed, serving, tmp_path):
    def edit(text):
        rule = '[columns."age"]\nmaximum = 90\nunit = "years"\n'
        text = text.replace('[columns."age"]\n', rule)
        return text.replace('otherwise = "refuse"', 'otherwise = "clip"', 1)

    version = amended(packed, tmp_path, "sugar", 'novelty = "off"', edit)
    client = serving(version.folder)
    row = {"age": 90, "sex": "female", "bmi": 25.0, "bp": 90.0}
    same, clipped = ask(client, [row, row | {"age": 430}], "sugar")
    assert clipped["value"] == same["value"]
    assert clipped["decision"] == "warn"
    assert clipped["reasons"] == ["age = 430 is above the maximum 90 years"]
    assert same["decision"] == "serve"


def test_a_regression_carries_an_interval(packed, serving):
    row = {"age": 40, "sex": "female", "bmi": 25.0, "bp": 90.0}
    (answer,) = ask(serving(packed), [row], "sugar")
    low, high = answer["interval"]
    assert low < answer["value"] < high


def test_decisions_are_counted_by_row(packed, serving, good, tmp_path):
    version = amended(packed, tmp_path, "tumour", 'novelty = "reject"\nassured = false')
    client = serving(version.folder)
    ask(client, [good, good | {"mean area": 1e6}, good])
    lines = client.get("/metrics").text.splitlines()
    counted = {line for line in lines if line.startswith("fairlead_decisions_total")}
    key = f'model="tumour",version="{version.version}"'
    assert f'fairlead_decisions_total{{{key},decision="serve"}} 2' in counted
    assert f'fairlead_decisions_total{{{key},decision="reject"}} 1' in counted


def test_calls_of_several_callers_keep_their_own_decisions(packed, serving, good):
    """Joined rows are judged together and told apart again."""
    import concurrent.futures as futures

    client = serving(packed)
    wrong = good | {"mean area": 1e6}
    with futures.ThreadPoolExecutor(8) as pool:
        sent = [[wrong] if i % 3 == 0 else [good, good] for i in range(120)]
        answers = list(pool.map(lambda rows: ask(client, rows), sent))
    for rows, found in zip(sent, answers, strict=True):
        wanted = "reject" if rows == [wrong] else "serve"
        assert [a["decision"] for a in found] == [wanted] * len(rows)


def test_a_row_is_told_the_same_alone_and_among_others(packed, serving):
    rows, _ = load_breast_cancer(return_X_y=True, as_frame=True)
    asked = rows.iloc[:40, :8].to_dict("records")
    asked[3]["mean area"] *= 1000
    asked[7] = {name: value * 2 for name, value in asked[7].items()}
    client = serving(packed)
    together = ask(client, asked)
    assert {answer["decision"] for answer in together} == {"serve", "reject"}
    assert len({json.dumps(answer) for answer in together}) > 30
    assert [answer for row in asked for answer in ask(client, [row])] == together
    assert [a for i in range(0, 40, 5) for a in ask(client, asked[i : i + 5])] == together


def test_words_that_make_no_sense_are_refused(packed, tmp_path):
    for words, says in (
        ('novelty = "block"', "must be one of reject, abstain, warn, shadow, off"),
        ("false_alarm_rate = 2", "must be between 0 and 1"),
        ("novelti = 1", "is not known"),
    ):
        with pytest.raises(fairlead.FairleadError) as caught:
            amended(packed, tmp_path, "tumour", words)
        assert says in caught.value.line()


def test_a_contract_of_other_columns_is_refused(packed, tmp_path):
    with pytest.raises(fairlead.FairleadError) as caught:
        amended(packed, tmp_path, "tumour", "", lambda text: text.replace("mean area", "area"))
    assert "the contract's columns are not the model's" in caught.value.line()


def test_guards_of_equal_rows_are_byte_identical(packed, tmp_path):
    x = load_breast_cancer(as_frame=True).data.iloc[:, :8]
    y = load_breast_cancer().target
    model = GradientBoostingClassifier(n_estimators=5, random_state=0).fit(x, y)
    for name in ("one", "two"):
        fairlead.pack(model, name=name, repository=tmp_path, reference=x, evaluation=(x, y))

    def read(name, file):
        return Path(tmp_path, name, "1", file).read_bytes()

    for file in ("contract.toml", "guards/novelty.npz", "guards/confidence.npz"):
        assert read("one", file) == read("two", file)


def test_a_broken_guard_file_fails_the_load_and_names_it(packed, serving, tmp_path):
    import shutil

    from fairlead.packages import manifest

    copy = tmp_path / "repo" / "tumour" / "1"
    shutil.copytree(packed / "tumour" / "1", copy)
    (copy / "guards" / "novelty.npz").write_bytes(b"not a guard")
    data = json.loads((copy / "manifest.json").read_text())
    facts = {k: v for k, v in data.items() if k not in ("files", "format")}
    (copy / "manifest.json").unlink()
    manifest.write(copy, facts)
    client = serving(tmp_path / "repo")
    (state,) = client.get("/models/tumour").json()["versions"]
    assert state["state"] == "failed"
    assert "the guards cannot be read" in state["reason"]
