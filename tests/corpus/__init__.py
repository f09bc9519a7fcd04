"""A corpus of generated recordings, whole and damaged: is each read right, or said to be wrong?"""
