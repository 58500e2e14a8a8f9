"""Drawn images and videos with exact ground truth: what they show, and how they are written in the layouts of the datasets."""
