"""The pocket tokenizer: byte-level BPE of 2,048 tokens, so that any text can be read.

Digits stand alone (counting is learned digit by digit) and two newlines make one token; cutting
a text at segment borders therefore never changes its tokens.
"""

from collections.abc import Iterable
from pathlib import Path

VOCABULARY = 2048
BOS, EOS, PAD = "<|bos|>", "<|eos|>", "<|pad|>"
PATTERN = r"\n\n|\n| ?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]+|\s"


def build(texts: Iterable[str], folder: Path) -> None:
    """Train on `texts` and save a tokenizer that AutoTokenizer loads."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    ).save_pretrained(folder)
