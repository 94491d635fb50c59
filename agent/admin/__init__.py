"""`escadre admin …`: what an administrator asks of the engine itself, without a hub and without a cluster.

The program `escadre` finds these commands through the entry points of the group `escadre.admin` and gives them what is
its own to give (`agent.admin.objects`). Nothing of the agent imports this package, and the agent's image does not need
what it imports.

A command is an ordinary click command: its help is its docstring, its examples are its epilog. What goes wrong is
raised as `click.ClickException`, and ends the program as every other misuse does.
"""
