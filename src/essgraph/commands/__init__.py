"""What each command of the command line does: one module a command, under the command's name.

A command's module has ``options``, which adds its options to a parser, and ``run``, which does it
and returns the exit code. What does the work is imported inside functions, so that help and usage
errors come at once. Each module imports only those before it:
environment, usage → options → console, folders → report, texts → snapshots → anchor, build,
coverage, lint, mcp, new, push, query, serve, validate.
"""
