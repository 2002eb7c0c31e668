"""What the command line says."""

import pytest

from engine.errors import InvalidRequest
from engine.nets.flags import read_flags
from engine.training.finetune.options import TrainOptions, read_words
from engine.training.finetune.ranks import Ranks, join

ARTICLE = (
    "--image_size 256 --num_channels 128 --num_res_blocks 2 --num_heads 1 --attention_resolutions 16 "
    "--diffusion_steps 1000 --noise_schedule linear --learn_sigma True --rescale_learned_sigmas True "
    "--rescale_timesteps True --use_scale_shift_norm False --lr 5e-6 --save_interval 500 --batch_size 16 "
    "--use_fp16 True --use_checkpoint True"
)
"""clip-diffusion-art's command for a GPU of 16 GB."""


def test_the_articles_command_is_understood() -> None:
    flags, options = read_words(ARTICLE.split())
    expected = TrainOptions(
        lr=5e-6, save_interval=500, batch_size=16, use_fp16=True, use_checkpoint=True, rescale_learned_sigmas=True
    )
    assert expected == options
    net = read_flags(flags)
    assert (256, 128, (16,), True, False) == (
        net.image_size, net.num_channels, net.attention_resolutions, net.learn_sigma, net.use_scale_shift_norm
    )  # fmt: skip


def test_hyphens_equals_signs_and_bare_names_count() -> None:
    flags, options = read_words(["--batch-size=2", "--learn-sigma", "--microbatch", "-1", "--use_bf16"])
    assert ({"learn_sigma": "True"}, 2, -1, True) == (flags, options.batch_size, options.microbatch, options.use_bf16)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--batchsize", "2"], "no option --batchsize; did you mean --batch_size?"),
        (["--lr", "fast"], "--lr is a number, not “fast”"),
        (["--use_fp16", "maybe"], "--use_fp16 is True or False, not “maybe”"),
        (["--steps", "0"], "steps is 0; the minimum is 1"),
        (["--ema_rate", "0.9,2"], "ema_rate is “0.9,2”"),
        (["--use_fp16", "--use_bf16"], "Only one of use_fp16 and use_bf16"),
        (["--ema_rate", "slow"], "ema_rate is “slow”"),
        (["--lr", "0"], "lr and fp16_scale_growth must be above 0"),
        (["--lr", "nan"], "lr and fp16_scale_growth must be above 0"),
        (["--text_dropout", "1.5"], "text_dropout must be between 0 and 1"),
        (["pictures"], "“pictures” belongs to no option"),
    ],
)
def test_mistakes_are_named(words: list[str], said: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        read_words(words)
    assert said in str(error.value)


def test_the_learning_rate_rises_and_anneals() -> None:
    options = TrainOptions(lr=1.0, warmup=4, lr_anneal_steps=10)
    assert [0.25, 0.45, 0.5, 0.1, 0.0] == pytest.approx([options.rate(step) for step in (0, 1, 5, 9, 20)])


def test_a_batch_that_processes_cannot_share_evenly_is_refused_before_they_meet() -> None:
    with pytest.raises(InvalidRequest, match="batch_size 5 cannot be divided evenly among 2 processes"):
        join(5, {"WORLD_SIZE": "2"})


def test_processes_share_a_batch_without_gap_or_overlap() -> None:
    rows = list(range(12))
    assert rows == [row for rank in range(3) for row in rows[Ranks(rank, 3).share(12)]]
    assert [True, False, False] == [Ranks(rank, 3).leads for rank in range(3)]
