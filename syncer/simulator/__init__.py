"""The API in miniature over real HTTP; imports nothing else of the project: no misreading can sit on both sides."""
