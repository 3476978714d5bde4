"""RLOO's arithmetic (Ahmadian et al. 2024), and estimators of KL that are never negative."""

import torch


def advantages(rewards: torch.Tensor) -> torch.Tensor:
    """Rewards [prompts, samples] less the mean of each prompt's other samples."""
    samples = rewards.shape[1]
    assert samples > 1, "leave-one-out needs two samples a prompt or more"
    others = (rewards.sum(1, keepdim=True) - rewards) / (samples - 1)
    return rewards - others


def penalised(scores: torch.Tensor, log_ratio: torch.Tensor, kl_weight: float) -> torch.Tensor:
    """r = PM - λ·KL (HH 4.1) with log π/π₀ of the whole response, whose mean is the KL."""
    return scores - kl_weight * log_ratio


def k3(logprobs: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """KL of each row [rows] from log-probabilities of drawn tokens [rows, tokens]: e^d - 1 - d
    with d = log π₀/π, unbiased and never negative (Schulman 2020). Absent tokens are 0 in both."""
    d = start - logprobs
    return (torch.expm1(d) - d).clamp(min=0).sum(1)


def exact_kl(logits: torch.Tensor, start: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """KL of each row [rows], summed over its places: the whole distributions [rows, tokens,
    vocabulary] are compared, so the draw of the tokens alone is left to chance."""
    ours, theirs = torch.log_softmax(logits, dim=-1), torch.log_softmax(start, dim=-1)
    each = (ours.exp() * (ours - theirs)).sum(-1).clamp(min=0)
    return (each * there).sum(1)
