"""A batch whose rows have different adapters writes what each adapter writes alone."""

import tiny

from cai_app.backends import folders
from cai_app.backends.huggingface import HuggingFaceBackend
from cai_app.records import Prompt, Sampling

NAMES = (None, "helpful", "sl-cai", "rl-cai", "helpful")


def paths() -> list[object]:
    shipped = tiny.home().data / "pocket" / "adapters" / "m"
    return [folders.adapter_folder(shipped / name) if name else None for name in NAMES]


def alone(prompt: Prompt, sampling: list[Sampling]) -> list[str]:
    texts = []
    for name, one in zip(NAMES, sampling, strict=True):
        with tiny.opened(f"pocket@{name or 'none'}") as backend:
            texts.append(backend.generate([prompt], [one])[0].text)
    return texts


def mixed(backend: HuggingFaceBackend, prompt: Prompt, sampling: list[Sampling]) -> list[str]:
    count = len(NAMES)
    found = backend.generate_each([prompt] * count, sampling, paths())  # type: ignore[arg-type]
    return [one.text for one in found]


def test_every_row_of_a_mixed_batch_is_what_its_adapter_writes_alone() -> None:
    prompt = tiny.prompt("\n\nHuman: Can you help me?", "\n\nAssistant:")
    # Rows that end early leave the batch, and the others keep their own adapters.
    sampling = [Sampling(temperature=0, max_tokens=most) for most in (3, 24, 4, 24, 5)]
    expected = alone(prompt, sampling)
    assert len(set(expected[:4])) == 4
    with tiny.opened("pocket@none") as backend:
        assert mixed(backend, prompt, sampling) == expected
        # Afterwards the adapter of every other request is its own again.
        plain = backend.generate([prompt], [sampling[0]])[0].text
        assert plain == expected[0]


def test_bitsandbytes_own_layers_mix_too(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from cai_app.backends import adapters

    prompt = tiny.prompt("\n\nHuman: Can you help me?", "\n\nAssistant:")
    sampling = [Sampling(temperature=0, max_tokens=8)] * len(NAMES)
    monkeypatch.setattr(adapters, "UNPACK_LIMIT", 0)
    expected = alone(prompt, sampling)
    with tiny.opened("pocket@none") as backend:
        assert mixed(backend, prompt, sampling) == expected
        assert backend.generate([prompt], [sampling[0]])[0].text == expected[0]
