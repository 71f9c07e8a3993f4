"""The actions of the language, one module per family; the executor has a module of the same name for each."""
