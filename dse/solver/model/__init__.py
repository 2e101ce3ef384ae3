"""The problem in numbers: tables, budgets, scaling, solutions."""
