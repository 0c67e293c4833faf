"""What the tests of several folders share; each module's name says what it is about."""
