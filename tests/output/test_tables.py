import pytest

import facevoice
from facevoice.output.predictions.columns import columns_of, flat_row, to_frame
from facevoice.samples import SAMPLE


@pytest.fixture(scope="module")
def predictions(toy_bundle, tmp_path_factory):
    predictor = facevoice.load(toy_bundle)
    gone = tmp_path_factory.mktemp("none") / "gone.mp4"
    return predictor, list(predictor.predict_many([SAMPLE, gone]))


def test_every_row_has_only_the_promised_columns(predictions):
    predictor, records = predictions
    columns = columns_of(predictor.bundle.tree)
    assert len(set(columns)) == len(columns)
    for record in records:
        assert set(flat_row(record)) <= set(columns)
    assert set(flat_row(records[0])) == set(columns)


def test_a_frame_has_a_row_a_prediction(predictions):
    _, records = predictions
    frame = to_frame(records)
    assert frame["error.kind"].isna().tolist() == [True, False]
    row = frame.iloc[0]
    assert row["emotion"] == records[0].emotion
    assert not row["abstained"]
    assert row["parts.face.expression.happy"] == pytest.approx(
        records[0].scores.parts["face"].parts["expression"]["happy"], abs=1e-6
    )
