"""The path of a figure: notebook source, executed notebook, page.

=================  ===============================================================
`chapters`         the notebooks that `_toc.yml` lists, in reading order
`tutorials`        those that run with the book and test no claims
`parameters`       what a chapter can be run with, and what it refuses
`execution`        one notebook through papermill, in a kernel of this interpreter
`reading`          the book's own files, read, or refused in a sentence
`provenance`       commit, its date, versions, device: where a result comes from
`freshness`        the key under which an executed notebook may be used again
`reached`          which of the package's modules a notebook depends on
`building`         which chapters are stale, and executing those
`budgets`          what chapters may take, by what they took
`failures`         what stops a build, other than bad input
`stored`           the stored pieces of sweeps, and which chapters need them
`filling`          what was measured, put into the text around it
`pages`            an executed notebook made into a page: figures, captions
`widgets`          the names of widgets in an executed notebook, the same each time
`portable`         an executed notebook as it leaves the book
`launch`           where a chapter's notebook can be opened: Colab, Binder
`readable`         a notebook's text without what only the book's pages understand
`entries`          the form of the registry's files, before they are read
`ledger`           the verdicts in executed notebooks against the registry of claims
`evidence`         what was counted for a claim, in numbers
`judgements`       what we make of a verdict, where it does not say all
`cards`            the cards of claims, with what only the site knows
`facts`            what the ledger says of a claim, as HTML
`lines`            texts that people write as lines of Markdown, without HTML
`prose`            what pages of prose take from the chapters
`glossary`         the field's words on a page, linked at their first use
`scoreboard`       the ledger as a page
`listing`          the ledger in a terminal
`robustness`       the specification curves as a page, and on the cards of claims
`claim_pages`      a page for each claim, at an address of its own
`citation`         how a claim is cited, and how sources are
`audited`          what git knows of each claim, as a page
`corrections`      what moved since the first edition, as a page
`counterparts`     the sources' figures and which of ours show the same, as a page
`live`             the instrument that readers play with, as a piece of a page
`zoo`              the models of the zoo, as a page
`reference`        every public name with its docstring, a page a room of the package
`named`            names in a page's code lead there
`envelope`         the ledger as programs get it
`linked`           the ledger as linked data
`crate`            the site as a research object
`took`             when chapters were executed, in which time and memory
`codemeta`         the package for catalogues of software
`head`             what a page says of itself to those who list and share it
`card`             the picture that a shared link shows
`absent`           the page for addresses that lead nowhere
`plain_page`       a page without Sphinx
`accessible`       what the theme keeps from those who listen to a page, mended
`weight`           the site without what its pages never use
`site`             staging, Sphinx, publishing
`serving`          the built site, served on this machine
`pdf`              the site printed into one PDF
`chromium`         the browser that prints it
=================  ===============================================================
"""
