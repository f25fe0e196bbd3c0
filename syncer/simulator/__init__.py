"""The API in miniature over real HTTP; imports nothing else of the project, so that one misreading cannot sit on both sides."""
