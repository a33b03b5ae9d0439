"""What is read from bytecode: which names a function uses, and how it imports."""

from __future__ import annotations

from superpos.compute.bytecode import Import, Use, read


def reading(text: str):
    names: dict = {}
    exec(f"def f(x, y=0):\n    {text}", names)
    return read(names["f"].__code__)


def uses(text: str) -> set[tuple[str, tuple[str, ...]]]:
    return {(use.name, use.attributes) for use in reading(text).uses if use.is_global}


def test_names_are_found_with_the_attributes_that_follow():
    assert uses("return a.b.c(x) + d") == {("a", ("b", "c")), ("d", ())}
    assert uses("return (a\n     .b)") == {("a", ("b",))}
    assert uses("return a(x).b") == {("a", ())}
    assert uses("a.b += 1") == {("a", ())}  # which also writes
    assert uses("a.b = 1") == {("a", ())}
    assert uses("return a[x].b") == {("a", ())}


def test_names_are_found_in_every_scope():
    assert uses("return [a for _ in x if b]") == {("a", ()), ("b", ())}
    assert uses("return lambda: (a, lambda: b)") == {("a", ()), ("b", ())}
    assert ("a", ()) in uses("class C: r = a")
    assert ("a", ()) in uses("async def g(): await a")
    assert Use("x", ("b",), False) in reading("return lambda: x.b").uses


def test_more_names_than_a_byte_counts():
    many = "; ".join(f"n{k}" for k in range(300))
    assert ("n299", ("a", "b")) in uses(f"{many}; return n299.a.b")


def test_imports_are_found_by_the_name_that_they_bind():
    found = dict(reading("import a.b as c; from d.e import f as g, h; from . import i").imports)
    assert found == {
        "c": Import("a.b", 0, ("b",), True),
        "g": Import("d.e", 0, ("f",), False),
        "h": Import("d.e", 0, ("h",), False),
        "i": Import("", 1, ("i",), False),
    }
    assert reading("import a.b").imports == (("a", Import("a.b", 0, (), True)),)
    assert reading("return lambda: __import__('a')").imports == ()
    inner = reading("def g():\n        import a")
    assert inner.imports == (("a", Import("a", 0, (), True)),)


def test_attributes_and_texts_are_told_as_words():
    assert {"b", "c", "d"} <= reading("return a.b, 'c', ('d', {'e'})").words
    assert "Documented" not in reading("'Documented'").words


def test_what_is_done_is_told_and_where_it_stands_is_not():
    assert reading("return x + 1").text != reading("return x + 2").text
    assert reading("return x + 1").text != reading("return x - 1").text
    assert reading("return 1").text != reading("return True").text
    assert reading("return x in {1, 2}").text == reading("# why\n    return (x in\n {1, 2})").text
    assert reading("return lambda: 1").text != reading("return lambda: 2").text


def test_what_is_attempted_is_told():
    attempt = "z = 3\n    try:\n        {}\n        h()\n    except KeyError: z = 2\n    return z"
    inside = attempt.format("z = g()")
    before = attempt.replace("z = 3", "z = g()").format("pass")
    assert reading(inside.replace("z = 3", "pass")).text != reading(before).text
