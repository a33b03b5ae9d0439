"""The course of learning: dynamics, one-hot models, sparse autoencoders, memorization."""
