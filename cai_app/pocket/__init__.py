"""The small model that ships: its world, corpus, pre-training recipe and evaluation."""
