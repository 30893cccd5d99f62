"""Lock files, and the checks that guard the tree. Never shipped to Lambda."""
