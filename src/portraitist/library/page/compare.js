"use strict";
// The blind comparison: asks, keeps the answers in this browser, counts. Nothing leaves the page but what is saved.

// Wilson's interval (1927) of a share of `wins` among `all`, 95 %; comparing/votes.py has the same.
function wilson(wins, all) {
  if (all === 0) return null;
  var z = 1.959963984540054, share = wins / all, more = z * z / all;
  var middle = (share + more / 2) / (1 + more);
  var half = z / (1 + more) * Math.sqrt(share * (1 - share) / all + more / (4 * all));
  return { share: share, low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

function count(votes, question) {
  var found = { a: 0, b: 0, tie: 0 };
  votes.forEach(function (vote) { if (vote.question === question) found[vote.choice] += 1; });
  return { a: found.a, b: found.b, ties: found.tie, interval: wilson(found.b, found.a + found.b) };
}

var WORDS = {
  en: {
    other: "中文", title: "Which is better?", left: "Left", right: "Right", back: "Back", tie: "No difference",
    stop: "Show the result", pair: "Pair {0} of {1}, question {2} of {3}. Keys: ← left, → right, ↓ no difference, Backspace back.",
    likeness: "Which one looks more like the person?", likenessPhotos: "Which one looks more like the person in these photos?",
    beauty: "Which picture is more beautiful?", realism: "Which one looks more like a real photograph?",
    likenessShort: "Likeness", beautyShort: "Beauty", realismShort: "Realism",
    leftPicture: "The left picture", rightPicture: "The right picture", photo: "A photo of the person",
    result: "Result", who: "A is {0}, B is {1}. {2} of {3} answers were given.",
    head: ["Question", "A", "B", "No difference", "Share of B", "95 % interval", "", "Means"],
    better: "{0} is better", open: "not decided", none: "no answers",
    explained: "Share of B among the answers that chose one (answers “no difference” are left out), with Wilson’s 95 % interval. One is better where the interval does not hold 50 %.",
    save: "Save the result", on: "Go on", again: "Start anew", sure: "Forget all answers?"
  },
  zh: {
    other: "English", title: "哪一张更好？", left: "左", right: "右", back: "返回", tie: "不分上下",
    stop: "查看结果", pair: "第 {0} 对，共 {1} 对；第 {2} 问，共 {3} 问。按键：← 左，→ 右，↓ 不分上下，Backspace 返回。",
    likeness: "哪一张更像本人？", likenessPhotos: "哪一张更像这些照片里的人？",
    beauty: "哪一张更美？", realism: "哪一张更像真实的照片？",
    likenessShort: "相似", beautyShort: "美感", realismShort: "真实感",
    leftPicture: "左边的图片", rightPicture: "右边的图片", photo: "本人的照片",
    result: "结果", who: "A 是 {0}，B 是 {1}。共 {3} 个问题，已回答 {2} 个。",
    head: ["问题", "A", "B", "不分上下", "选 B 的比例", "95 % 区间", "", "结论"],
    better: "{0} 更好", open: "尚无定论", none: "没有回答",
    explained: "选 B 的比例只计选出一方的回答（“不分上下”不计入），区间为 Wilson 95 % 区间。区间不含 50 % 时才算分出高下。",
    save: "保存结果", on: "继续", again: "重新开始", sure: "要清除全部回答吗？"
  }
};

function fill(text, values) {
  return text.replace(/\{(\d)\}/g, function (whole, place) { return String(values[Number(place)]); });
}

function start() {
  var data = JSON.parse(document.getElementById("data").textContent);
  var questions = data.questions, total = data.pairs.length * questions.length;
  var key = "portraitist-compare-" + data.id;
  var votes = [], language = /^zh/i.test(navigator.language || "") ? "zh" : "en", asking = true;

  function at(name) { return document.getElementById(name); }
  function keep() { try { localStorage.setItem(key, JSON.stringify({ votes: votes, language: language })); } catch (error) { /* private mode: kept in the page only */ } }
  function remember() {
    try {
      var kept = JSON.parse(localStorage.getItem(key) || "null");
      if (kept && Array.isArray(kept.votes) && kept.votes.length <= total) { votes = kept.votes; language = kept.language === "zh" ? "zh" : "en"; }
    } catch (error) { votes = []; }
  }

  function vote(choice) {
    if (!asking || votes.length >= total) return;
    var pair = data.pairs[Math.floor(votes.length / questions.length)];
    votes.push({ pair: pair.name, question: questions[votes.length % questions.length], left: pair.left, choice: choice });
    keep(); show();
  }
  function side(which) {
    if (votes.length >= total) return;
    var left = data.pairs[Math.floor(votes.length / questions.length)].left;
    vote(which === "left" ? left : left === "a" ? "b" : "a");
  }
  function back() { if (asking && votes.length) { votes.pop(); keep(); show(); } }

  function show() {
    var words = WORDS[language];
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    document.title = words.title + " – Portraitist";
    at("title").textContent = words.title; at("language").textContent = words.other;
    at("language").lang = language === "zh" ? "en" : "zh-CN";
    var ended = asking && votes.length >= total && total > 0;
    if (ended) asking = false;
    at("ask").hidden = !asking; at("told").hidden = asking;
    if (asking) ask(words); else tell(words);
    if (ended) at("result").focus();
  }

  function ask(words) {
    var done = votes.length, place = Math.floor(done / questions.length), pair = data.pairs[place];
    var question = questions[done % questions.length], photos = question === "likeness" && data.photos.length > 0;
    at("question").textContent = photos ? words.likenessPhotos : words[question];
    at("hint").textContent = fill(words.pair, [place + 1, data.pairs.length, done % questions.length + 1, questions.length]);
    at("progress").max = total; at("progress").value = done; at("progress").setAttribute("aria-label", done + " / " + total);
    at("photos").hidden = !data.photos.length; // kept in place for the other questions, so that nothing jumps
    at("photos").classList.toggle("away", !photos);
    if (data.photos.length && !at("photos").children.length) data.photos.forEach(function (source) {
      var image = document.createElement("img"); image.src = source; at("photos").appendChild(image);
    });
    Array.prototype.forEach.call(at("photos").children, function (image) { image.alt = words.photo; });
    [["left", pair.left], ["right", pair.left === "a" ? "b" : "a"]].forEach(function (one) {
      var image = at(one[0] + "-picture");
      if (image.src !== pair[one[1]]) image.src = pair[one[1]];
      image.alt = words[one[0] + "Picture"]; at(one[0] + "-word").textContent = words[one[0]];
    });
    at("back").textContent = words.back; at("back").disabled = done === 0;
    at("tie").textContent = words.tie + " ↓"; at("stop").textContent = words.stop;
  }

  function cell(row, text, kind) {
    var made = document.createElement(kind || "td");
    if (kind === "th") made.scope = row.parentNode === at("head") ? "col" : "row"; else made.className = "number";
    made.textContent = text; row.appendChild(made); return made;
  }
  function line(into) { var row = document.createElement("tr"); into.appendChild(row); return row; }
  function percent(share) { return Math.round(share * 100) + " %"; }

  function tell(words) {
    at("result").textContent = words.result;
    at("who").textContent = fill(words.who, [data.a, data.b, votes.length, total]);
    at("head").textContent = ""; at("body").textContent = "";
    var head = line(at("head")); words.head.forEach(function (text) { cell(head, text, "th"); });
    questions.forEach(function (question) {
      var found = count(votes, question), row = line(at("body")), own = found.interval;
      cell(row, words[question + "Short"], "th"); cell(row, found.a); cell(row, found.b); cell(row, found.ties);
      cell(row, own ? percent(own.share) : "–"); cell(row, own ? percent(own.low) + " – " + percent(own.high) : "–");
      var drawn = cell(row, ""); if (own) drawn.appendChild(draw(own));
      cell(row, !own ? words.none : own.low > 0.5 ? fill(words.better, ["B"]) : own.high < 0.5 ? fill(words.better, ["A"]) : words.open);
    });
    at("explained").textContent = words.explained; at("save").textContent = words.save;
    at("on").textContent = votes.length < total ? words.on : words.back; at("again").textContent = words.again;
  }

  function draw(own) {
    var space = "http://www.w3.org/2000/svg", picture = document.createElementNS(space, "svg");
    picture.setAttribute("viewBox", "0 0 200 24"); picture.setAttribute("aria-hidden", "true");
    function add(kind, values) {
      var part = document.createElementNS(space, kind);
      Object.keys(values).forEach(function (name) { part.setAttribute(name, values[name]); }); picture.appendChild(part);
    }
    function x(share) { return 6 + 188 * share; }
    add("line", { "class": "axis", x1: x(0), x2: x(1), y1: 12, y2: 12 });
    add("line", { "class": "half", x1: x(0.5), x2: x(0.5), y1: 2, y2: 22 });
    add("line", { "class": "range", x1: x(own.low), x2: x(own.high), y1: 12, y2: 12 });
    add("circle", { cx: x(own.share), cy: 12, r: 5 });
    return picture;
  }

  function result() {
    var summary = {};
    questions.forEach(function (question) {
      var found = count(votes, question), own = found.interval;
      summary[question] = { a: found.a, b: found.b, ties: found.ties, share: own && own.share, low: own && own.low, high: own && own.high };
    });
    return { kind: "portraitist-compare", version: 1, id: data.id, a: data.a, b: data.b, seed: data.seed, pairs: data.pairs.length, answered: new Date().toISOString(), votes: votes, summary: summary };
  }
  function save() {
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(result(), null, 2) + "\n"], { type: "application/json" }));
    link.download = "compare-" + data.id + ".json"; document.body.appendChild(link); link.click(); link.remove();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
  }

  at("left").onclick = function () { side("left"); };
  at("right").onclick = function () { side("right"); };
  at("tie").onclick = function () { vote("tie"); };
  at("back").onclick = back;
  at("stop").onclick = function () { asking = false; show(); at("result").focus(); };
  at("on").onclick = function () { if (votes.length >= total) votes.pop(); asking = true; keep(); show(); };
  at("again").onclick = function () { if (window.confirm(WORDS[language].sure)) { votes = []; asking = true; keep(); show(); } };
  at("save").onclick = save;
  at("language").onclick = function () { language = language === "zh" ? "en" : "zh"; keep(); show(); };
  document.addEventListener("keydown", function (event) {
    if (!asking || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    var acts = { ArrowLeft: function () { side("left"); }, ArrowRight: function () { side("right"); }, ArrowDown: function () { vote("tie"); }, Backspace: back };
    if (acts[event.key]) { event.preventDefault(); acts[event.key](); }
  });
  remember(); show();
}

if (typeof document !== "undefined") start();
