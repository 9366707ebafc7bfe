"""What others published, measured again: each replay's figures are taken here and put beside the published ones."""
