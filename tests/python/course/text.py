# SPDX-License-Identifier: MIT
"""Exercises 1 and 2: a tokenizer like LLaMA's, and prompts with labels. Only support.py needs numpy."""
import re
import sys

from support import json_of

UNDER = "\u2581"                 # stands for a blank in pieces of words
TEMPLATES = {                    # with a picture; <image> stands for its rows
    "world": "USER: <image> {q} ASSISTANT:{a}</s>",
    "plain": "USER: <image>\n{q}\nASSISTANT:{a}",
    "vicuna_v1": "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and "
                 "polite answers to the user's questions. USER: <image>\n{q} ASSISTANT:{a}</s>"}

def without_picture(template): return re.sub("<image>[ \n]", "", template)
def first_ids(tokenizer): return [tokenizer.vocab["<s>"]]                          # the mistake BosMissing (mistakes.py) leaves this out
def is_learnt(n, prompt_end): return n >= prompt_end                               # PromptInLoss says: always
def target_of(ids, n): return ids[n + 1]                                           # ShiftOff1 takes ids[n]

class Tokenizer:
    def __init__(self, path):
        file = json_of(path)
        model, self.added = file["model"], {t["content"]: t for t in file["added_tokens"]}
        self.vocab = dict(model["vocab"], **{name: t["id"] for name, t in self.added.items()})
        self.names = {k: name for name, k in self.vocab.items()}
        self.special = {t["id"] for t in self.added.values() if t["special"]}
        pairs = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in model["merges"]]
        self.rank = {pair: k for k, pair in enumerate(pairs)}
        self.whole_words = model.get("ignore_merges", False)                       # a word that is a token is taken as it is
        steps = file["pre_tokenizer"] or {"type": "none"}
        self.by_words = steps["type"] == "Sequence"                                # WhitespaceSplit, then Metaspace
        self.prefix = "piece" if file["normalizer"] else steps.get("prepend_scheme", "always")
        longest = sorted(self.added, key=len, reverse=True)
        self.split = re.compile("|".join((r"\s*" if self.added[t]["lstrip"] else "") + "(?P<t%d>%s)" % (self.added[t]["id"], re.escape(t))
                                         + (r"\s*" if self.added[t]["rstrip"] else "") for t in longest))

    def encode(self, text, special=True):
        ids, at = first_ids(self) if special else [], 0
        for match in self.split.finditer(text):
            ids += self.words(text[at:match.start()], at) + [int(match.lastgroup[1:])]
            at = match.end()
        return ids + self.words(text[at:], at)

    def words(self, text, at):
        """The ids of a part of the text without added tokens; the part begins at position `at` of the whole text."""
        if self.by_words:
            return [k for word in text.split() for k in self.pieces(UNDER + word)]
        text = text.replace(" ", UNDER)
        if text and (self.prefix == "piece" or (at == 0 and not text.startswith(UNDER))):
            text = UNDER + text
        return self.pieces(text)

    def pieces(self, word):
        if self.whole_words and word in self.vocab:
            return [self.vocab[word]]
        parts = [p for c in word for p in ([c] if c in self.vocab else ["<0x%02X>" % b for b in c.encode("utf-8")])]
        while True:                                                               # the leftmost pair with the lowest rank
            best = min(((self.rank.get(pair, sys.maxsize), k) for k, pair in enumerate(zip(parts, parts[1:]))), default=(sys.maxsize, 0))
            if best[0] == sys.maxsize:
                return [self.vocab[p] for p in parts]
            parts[best[1]:best[1] + 2] = [parts[best[1]] + parts[best[1] + 1]]

    def decode(self, ids):
        text, run = "", b""
        for name in [self.names[k] for k in ids if k not in self.special] + [""]:
            if re.fullmatch("<0x[0-9A-F]{2}>", name):
                run += bytes([int(name[3:5], 16)])
                continue
            try:
                text += run.decode("utf-8")
            except UnicodeDecodeError:
                text += "\ufffd" * len(run)
            text, run = text + name.replace(UNDER, " "), b""
        return text[1:] if text.startswith(" ") else text

def prompt(tokenizer, template, mask, question, answer, picture_rows):
    """(ids, targets, (first row of the picture, number of its rows)). targets[n] is the id that row n predicts, or -1."""
    form = TEMPLATES[template] if picture_rows else without_picture(TEMPLATES[template])
    image = tokenizer.vocab["<image>"]

    def ids_of(text):
        return [j for k in tokenizer.encode(text) for j in ([k] * picture_rows if k == image else [k])]
    ids, asked = ids_of(form.format(q=question, a=" " + answer)), ids_of(form.split("{a}")[0].format(q=question))
    end = next((n for n, (i, j) in enumerate(zip(ids, asked)) if i != j), len(asked))
    learnt = [n > 0 and (mask == "all_plus_image" or (k != image and (mask == "all_text" or is_learnt(n, end)))) for n, k in enumerate(ids)]
    targets = [target_of(ids, n) if n + 1 < len(ids) and learnt[n + 1] else -1 for n in range(len(ids))]
    return ids, targets, (ids.index(image), picture_rows) if picture_rows else (0, 0)
