import re

import pytest

from planner.catalog import CatalogError, Reference, all_references, reference, reference_keys

BOOK = ("finetuning-and-rag", "finetuning-tactics", "lora", "memory-bottlenecks", "model-merging")


def test_a_source_is_found_by_its_key() -> None:
    source = reference("dettmers-2023-qlora")
    assert source.address == "https://arxiv.org/abs/2305.14314"
    assert str(source).startswith("Dettmers, Pagnoni, Holtzman, Zettlemoyer (2023): QLoRA")


@pytest.mark.parametrize("section", BOOK)
def test_sections_of_the_book_have_keys_of_their_own(section: str) -> None:
    assert reference(f"book:{section}").isbn


def test_an_unknown_key_shows_near_keys() -> None:
    with pytest.raises(CatalogError) as caught:
        reference("hu-2022-lora")
    assert "hu-2021-lora" in caught.value.near


def test_keys_are_sorted() -> None:
    assert list(reference_keys()) == sorted(reference_keys())


@pytest.mark.parametrize("source", all_references(), ids=lambda source: source.key)
def test_every_source_can_be_found(source: Reference) -> None:
    assert source.doi or source.arxiv or source.isbn or source.url
    assert source.title
    if source.arxiv and source.year:
        assert abs(2000 + int(source.arxiv[:2]) - source.year) <= 3
    if source.doi:
        assert re.fullmatch(r"10\.\d{4,9}/\S+", source.doi)


def test_no_paper_is_listed_under_two_keys() -> None:
    papers = [source.arxiv for source in all_references() if source.arxiv]
    assert sorted(papers) == sorted(set(papers))


def test_the_sources_that_the_code_and_the_device_table_name_exist() -> None:
    for key in ("apple-metal-working-set", "apple-working-set-reports", "nvidia-cuda-gpus", "nvidia-smi-totals"):
        assert reference(key).url
