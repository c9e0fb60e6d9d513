"""The story in seven chapters, from a loop to one-shot learning. Each prints what it finds and ends with a picture.

python -m examples.chapters.1_loop [folder for the pictures], and so on
"""
