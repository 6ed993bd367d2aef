// TestSupport: what the tests of several modules share: the cases that every executor runs, and running programs.
@_exported public import OperationCases
