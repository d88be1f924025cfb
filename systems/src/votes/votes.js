// Makes the page of the votes live: a button votes, and the counts are asked for every second.
'use strict';

const status = document.querySelector('[role=status]');
const servedBy = document.querySelector('small span');
const rows = [...document.querySelectorAll('li')].map(row => ({
  button: row.querySelector('button'),
  meter: row.querySelector('meter'),
  output: row.querySelector('output'),
}));

// A browser is a voter. Its id is all that is kept.
function voter() {
  let id = localStorage.getItem('voter');
  if (!id) {
    id = [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, '0')).join('');
    localStorage.setItem('voter', id);
  }
  return id;
}

// The reply's JSON; a problem is thrown with what it says.
async function ask(options) {
  const reply = await fetch('/api/votes', { signal: AbortSignal.timeout(5000), ...options });
  const body = await reply.json();
  if (!reply.ok) throw new Error(body.detail);
  return body;
}

function press(option) {
  for (const { button } of rows) button.setAttribute('aria-pressed', button.value === option);
}

async function vote(option) {
  try {
    const body = JSON.stringify({ option, voter: voter() });
    await ask({ method: 'POST', headers: { 'content-type': 'application/json' }, body });
    localStorage.setItem('vote', option);
    press(option);
    status.textContent = `voted for ${option}`;
  } catch (error) {
    status.textContent = `not voted: ${error.message}`;
  }
}

async function refresh() {
  try {
    const { votes, waiting, served_by } = await ask({});
    const most = Math.max(1, ...Object.values(votes));
    for (const { button, meter, output } of rows) {
      const count = votes[button.value] ?? 0;
      meter.max = most;
      meter.value = count;
      output.textContent = count;
    }
    servedBy.textContent = [served_by.service, served_by.version, served_by.pod].join('/');
    if (waiting) status.textContent = `${waiting} not counted yet`;
    else if (status.textContent.endsWith('yet') || status.textContent.startsWith('no counts')) status.textContent = '';
  } catch (error) {
    status.textContent = `no counts: ${error.message}`;
  }
  setTimeout(refresh, 1000);
}

for (const { button } of rows) button.addEventListener('click', () => vote(button.value));
press(localStorage.getItem('vote'));
refresh();
