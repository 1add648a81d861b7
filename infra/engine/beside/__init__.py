"""What lies beside a CLI that we built: scripts and their modules, copied flat and run by a project's interpreter.

Nothing here imports the rest of the platform. The modules' names stay in `sys.modules` of the user's programs, which
are forked from the host: hence their prefix.
"""
