"use strict";
/* Folds what is far down on a phone, and unfolds what a link leads to. */
{
  const folds = [...document.querySelectorAll(".fold")];
  if (matchMedia("(max-width: 40rem)").matches) for (const fold of folds.slice(3)) fold.open = false;
  const unfold = (hash) => {
    const fold = document.getElementById(hash.slice(1))?.querySelector(":scope > .fold");
    if (fold) fold.open = true;
  };
  for (const link of document.querySelectorAll('a[href^="#"]')) link.addEventListener("click", () => unfold(link.hash));
  unfold(location.hash);
}
