"""How much code each transport takes: statements, branches and states, counted by rules that stand here.

*Lines* are logical: statements in Python without docstrings; in JavaScript ends of statements and heads of blocks.
*Branches* are places where the code can go two ways: `if`, the conditional expression, each loop, each further operand
of `and`/`or` (`&&`, `||`, `??`), each `case`, each handler of exceptions, each loop and filter of a comprehension.
*States* are what can change after the start and so makes the same input mean something else: attributes that a method
other than the constructor assigns, and variables that an inner function assigns (`nonlocal`); in JavaScript fields that
are assigned outside the constructor.

Only source is read, nothing is imported or run, so the same commit always gives the same numbers.
"""
