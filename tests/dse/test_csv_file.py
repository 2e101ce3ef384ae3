"""Tables of users as spreadsheets and scripts write them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macwright.dse.csv_file import as_text, from_text, read_csv
from macwright.dse.run.folder import csv_text
from macwright.dse.solver import OptionTable

TEXT = 'layer,option,loss,cost\nconv,int4,0.5,1\nconv,int8,0.25,2\n"de\nnse",int4,1,1\n'


@pytest.mark.parametrize(
    "raw",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("conv,", " conv\u00a0,").replace("loss", " loss\t").encode(),
        TEXT.replace("\nconv", "\n\n\nconv").encode(),
    ],
)
def test_the_same_table_however_it_is_written(tmp_path, raw):
    path = tmp_path / "options.csv"
    path.write_bytes(raw)
    table = OptionTable.from_csv(path)
    assert [name.replace("\r", "") for name in table.layers] == ["conv", "de\nnse"]
    assert table.options == ["int4", "int8", "int4"]
    assert table.column("loss").tolist() == [0.5, 0.25, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer;option;loss\na;x;0,5\n", r"must have commas between entries .*, not semicolons"),
        ("layer\toption\tloss\na\tx\t1\n", r"must have commas between entries .*, not tabs"),
        (
            'layer,option,loss\na,x,"0,5"\na,y,"0,7"\n',
            "'loss' of option 'x' of layer 'a' is '0,5', w",
        ),
        ('layer,option,loss\na,x,0.5\na,y,"0,7"\n', "must be a finite number, not '0,7'"),
        ("layer,option,loss\na,x,\n", "must be a finite number, not ''"),
        ("layer,option,loss\na,x,1e400\n", "must be a finite number, not inf"),
        ("layer,option,loss,loss \na,x,1,2\n", "Column 'loss' must be given once, not twice"),
        ("layer,option,loss\na,x,1\na ,x,2\n", "'x' of layer 'a' must be given once, not twice"),
        ("layer,option,loss\na b,x,1\na  b,x,2\n", "differ by more than blanks, not 'a b' and"),
        ("layer,option,loss\na,x,1\na\u200b1,x,2\na1,x,2\n", "differ by more than blanks, not"),
        (
            "layer,option,loss\na,x\n",
            r"as many entries in each row as names .*, 3, not 2 in line 2",
        ),
        ("layer,option,loss\na,x,1,2\n", "as many entries in each row as names"),
        ('layer,option,loss\na,"x,1\n', "must be a CSV file, and .* is not one: unexpected end"),
        ("", "is not one: it is empty"),
        (f"layer,option,loss\na,x,{'z' * 9000}\n", r"is 'z{60}…', without a decimal point$"),
        ("layer,option,loss\na,x,1\x00\n", "without a decimal point"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, message):
    path = tmp_path / "options.csv"
    path.write_bytes(text.encode())
    with pytest.raises(ValueError, match=message):
        OptionTable.from_csv(path).column("loss")


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "options.csv"
    for raw in (b"\xff\xfea", b"layer,\xcb", "layer\u00e9".encode("latin-1")):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=r"must be a CSV file, and .* is not one: "):
            read_csv(path, "Options")


SIGNS = st.text(alphabet="'=+-@\t\r\uff1dab1.e", max_size=6)


@given(SIGNS)
def test_no_spreadsheet_runs_an_entry_and_readers_get_it_back(entry):
    shown = as_text(entry)
    assert from_text(shown) == entry
    if shown[:1] in {*"=+-@\t\r\uff1d"} - {""}:
        float(shown)  # a number, which is no formula


@given(st.lists(SIGNS, min_size=1, max_size=3, unique=True))
def test_tables_of_a_run_are_read_as_they_were(tmp_path_factory, entries):
    table = csv_text([{"layer": entry, "loss": -0.5} for entry in entries])
    for row in list(csv.reader(io.StringIO(table)))[1:]:
        assert row[0][:1] not in {"=", "@", "\t", "\r"}
        assert row[1] == "-0.5"
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(table.encode())
    assert read_csv(path, "Table")["layer"].tolist() == entries
