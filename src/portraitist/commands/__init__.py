"""One module for each command. A module has `register(app)`, which adds its command to the application.

To add a command: write `commands/<name>.py` and name the module in `cli.COMMANDS`. Rules that keep `--help` quick and
the answers uniform:

* At the top of a module import only typer, the standard library, `portraitist.errors`, `portraitist.files`
  and `portraitist.commands.common`. Whatever loads numpy, pydantic, torch or Pillow is imported
  inside the command's function.
* Take the settings with `common.settings_of(context)`; they know the global `--home`.
* Have the option `as_json: common.Json = False` and end with `common.answer(document, words, as_json)`.
* Raise errors of `portraitist.errors`; `cli.main` turns them into a sentence, or into JSON, and the exit code.
  An answer that is complete and yet no success ends with `raise typer.Exit(code)` after `answer`.
* Progress goes through `common.progress()`, an `OnStep` on stderr.
"""
