import { ErrorCode } from '../rts';

const plural = (n: number, one: string, many: string): string => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

/** English; its shape is what every other language has to fill. */
export const en = {
  appName: 'RTS',
  language: 'Language',
  theme: { label: 'Appearance', auto: 'As the device', light: 'Light', dark: 'Dark' },
  settings: 'Settings',
  close: 'Close',
  cancel: 'Cancel',
  back: 'Back to the list',
  loading: 'Loading…',
  retry: 'Try again',

  signIn: {
    title: 'Sign in',
    hint: 'Development sign-in: choose who you are.',
    userId: 'User id',
    name: 'Display name',
    org: 'Organization',
    submit: 'Sign in',
    redirect: 'Continue with your organization',
    waiting: 'Signing in…',
    failed: 'Signing in did not work. Please try again.',
    unavailable: 'This server does not offer a sign-in here.',
    out: 'Sign out',
  },

  connection: {
    waiting: 'You are offline. Messages you write are sent when the connection is back.',
    connecting: 'Connecting…',
    retry: 'Connect now',
  },

  rooms: {
    title: 'Chats',
    search: 'Search chats and messages',
    clearSearch: 'Clear the search',
    none: 'No chats yet.',
    noneHint: 'Start one with somebody you know.',
    noMatch: 'Nothing found.',
    newChat: 'New chat',
    archive: 'Archive',
    archived: 'Archived chats',
    archiveSearch: 'Search by title or case',
    noneArchived: 'Nothing is archived.',
    messages: 'Messages',
    chats: 'Chats',
    more: 'More',
    unread: (n: number): string => (n >= 1000 ? '999+ unread messages' : plural(n, 'unread message', 'unread messages')),
    mentions: (n: number): string => plural(n, 'mention', 'mentions') + ' of you',
    you: 'You',
    deleted: 'Message deleted',
    file: 'File',
    unnamed: 'Empty chat',
    draft: 'Draft',
  },

  newChat: {
    title: 'New chat',
    people: 'People',
    placeholder: 'Name or user id',
    addId: (id: string): string => `Add “${id}” by id`,
    remove: (name: string): string => `Take ${name} out`,
    groupName: 'Group name (optional)',
    caseId: 'Case (optional)',
    direct: 'Start chat',
    group: 'Create group',
    hint: 'Choose one person for a direct chat, or several for a group.',
  },

  conversation: {
    choose: 'Choose a chat, or start a new one.',
    log: (title: string): string => `Messages in ${title}`,
    members: (n: number): string => plural(n, 'member', 'members'),
    details: 'Details',
    direct: 'Direct chat',
    case: (id: string): string => `Case ${id}`,
    today: 'Today',
    yesterday: 'Yesterday',
    unread: 'New messages',
    newest: 'Jump to the newest message',
    begin: 'This is the beginning of the conversation.',
    edited: 'edited',
    deleted: 'This message was deleted.',
    says: (name: string, time: string): string => `${name}, ${time}`,
    reply: 'Reply',
    replyTo: (name: string): string => `Reply to ${name}`,
    replyGone: 'A message that cannot be shown',
    edit: 'Edit',
    editing: 'Edit message',
    delete: 'Delete',
    react: 'React',
    reactWith: (emoji: string): string => `React with ${emoji}`,
    reacted: (emoji: string, n: number, names: string): string => `${emoji} ${n}: ${names}`,
    readBy: (names: string): string => `Read by ${names}`,
    copy: 'Copy text',
    copied: 'Copied.',
    actions: 'Message actions',
    discard: 'Discard',
    archived: 'This chat is archived and read-only.',
    typing: (names: readonly string[]): string =>
      names.length === 1 ? `${names[0]} is typing…` : names.length === 2 ? `${names[0]} and ${names[1]} are typing…` : 'Several people are typing…',
  },

  state: {
    queued: 'Waiting for the connection',
    sending: 'Sending',
    failed: 'Not sent',
    sent: 'Sent',
    stored: 'Stored',
    delivered: 'Delivered',
    read: 'Read',
  },

  composer: {
    label: 'Message',
    placeholder: (title: string): string => `Message to ${title}`,
    send: 'Send',
    save: 'Save',
    attach: 'Attach files',
    mention: 'People to mention',
    drop: 'Drop files to attach them',
    uploading: (name: string, percent: number): string => `${name}, ${percent} % sent`,
    remove: (name: string): string => `Take ${name} out`,
    tooLong: (over: number): string => `${plural(over, 'byte', 'bytes')} too long`,
    tooManyFiles: (n: number): string => `A message has at most ${n} files.`,
  },

  file: { download: (name: string): string => `Download ${name}`, image: (name: string): string => `Image ${name}`, open: (name: string): string => `Open ${name}` },

  details: {
    title: 'Details',
    name: 'Name',
    rename: 'Rename',
    save: 'Save',
    members: 'Members',
    owner: 'Owner',
    add: 'Add people',
    addHint: 'Adding people to a direct chat starts a new group; this chat stays as it is.',
    remove: (name: string): string => `Remove ${name}`,
    leave: 'Leave chat',
    archive: 'Archive chat',
    unarchive: 'Bring back from the archive',
    created: (date: string): string => `Created on ${date}`,
  },

  confirm: {
    delete: 'Delete this message for everyone?',
    leave: 'Leave this chat? You will not see it any more.',
    archive: 'Archive this chat? It becomes read-only for everyone.',
    remove: (name: string): string => `Remove ${name} from this chat?`,
  },

  presence: {
    online: 'online',
    away: 'away',
    offline: 'offline',
    lastSeen: (when: string): string => `last seen ${when}`,
  },

  announce: (name: string, text: string): string => `${name}: ${text}`,

  errors: {
    invalidArgument: 'That cannot be done like this.',
    notFound: 'That is not there any more.',
    forbidden: 'You may not do that.',
    tooLarge: 'That is too large.',
    rateLimited: 'Too fast. Please wait a moment.',
    archived: 'This chat is archived.',
    conflict: 'Somebody changed that meanwhile, or it belongs to others.',
    unavailable: 'The server is busy. Please try again.',
    internal: 'Something went wrong on the server.',
    offline: 'There is no connection right now.',
    unsupported: 'This server does not offer that.',
    cancelled: 'Cancelled.',
  } satisfies Record<ErrorCode, string>,
};

/** Every key, with texts as texts and functions as functions. */
export type Texts = Widen<typeof en>;
type Widen<T> = { [K in keyof T]: T[K] extends string ? string : T[K] extends (...args: never[]) => unknown ? T[K] : Widen<T[K]> };
